"""What the labels were worth: the cold classifier, the champion and a random control on the same held-out turns.

All three read the same stored vectors' encoder, the same redaction, the same intents. The control starts from the same names and examples, sees the
same unlabelled log and has as many labels of log turns as the champion trained on, with the same reviewer's errors; only the choice is random.
"""
