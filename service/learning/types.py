"""Array aliases: the name says the number of axes, the docstring of a function their lengths and ranges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats1d = NDArray[np.floating]
Floats2d = NDArray[np.floating]
Floats3d = NDArray[np.floating]
Ints1d = NDArray[np.integer]
Ints2d = NDArray[np.integer]
Bools1d = NDArray[np.bool_]
Strings = Sequence[str]
