{{- define "fencepost.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "fencepost.labels" -}}
{{ include "fencepost.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "fencepost.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fencepost.secretName" -}}
{{ .Values.secrets.existing | default (include "fencepost.fullname" .) }}
{{- end }}

{{- define "fencepost.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* One variable from the Secret; Slack's keys may be absent from an existing one. */ -}}
{{- define "fencepost.fromSecret" -}}
- name: {{ .variable }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}{{ if .optional }}, optional: true{{ end }}}}
{{- end }}

{{- define "fencepost.env" -}}
{{- $secret := include "fencepost.secretName" . -}}
- {name: FENCEPOST_DATA_DIR, value: /data}
- {name: FENCEPOST_HOST, value: "0.0.0.0"}
- {name: FENCEPOST_ENCODE_URL, value: redis}
- {name: FENCEPOST_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
{{- with .Values.publicUrl }}
- {name: FENCEPOST_PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
{{- with .Values.encoder }}
- {name: FENCEPOST_ENCODER, value: {{ . | quote }}}
{{- end }}
{{- with .Values.endpointNetworks }}
- {name: FENCEPOST_ENDPOINT_NETWORKS, value: {{ . | quote }}}
{{- end }}
{{ include "fencepost.fromSecret" (dict "variable" "FENCEPOST_DATABASE_URL" "secret" $secret "key" "database-url") }}
{{ include "fencepost.fromSecret" (dict "variable" "FENCEPOST_REDIS_URL" "secret" $secret "key" "redis-url") }}
{{ include "fencepost.fromSecret" (dict "variable" "FENCEPOST_STREAM_KEY" "secret" $secret "key" "stream-key") }}
{{ include "fencepost.fromSecret" (dict "variable" "FENCEPOST_SLACK_BOT_TOKEN" "secret" $secret "key" "slack-bot-token" "optional" true) }}
{{ include "fencepost.fromSecret" (dict "variable" "FENCEPOST_SLACK_APP_TOKEN" "secret" $secret "key" "slack-app-token" "optional" true) }}
{{ include "fencepost.fromSecret" (dict "variable" "FENCEPOST_SLACK_SIGNING_SECRET" "secret" $secret "key" "slack-signing-secret" "optional" true) }}
{{- end }}

{{- /* A Deployment: (dict "root" $ "process" "ingest" "command" (list …)). */ -}}
{{- define "fencepost.deployment" -}}
{{- $root := .root }}
{{- $own := index $root.Values .process }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "fencepost.fullname" $root }}-{{ .process }}
  labels:
    {{- include "fencepost.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .process }}
spec:
  replicas: {{ $own.replicas | default 1 }}
  {{- if not (hasKey $own "replicas") }}
  strategy: {type: Recreate}
  {{- end }}
  selector:
    matchLabels:
      {{- include "fencepost.selectorLabels" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .process }}
  template:
    metadata:
      labels:
        {{- include "fencepost.selectorLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .process }}
      annotations:
        checksum/secret: {{ list $root.Values.secrets $root.Values.databaseUrl $root.Values.redisUrl | toJson | sha256sum }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false  # they would be FENCEPOST_PORT=tcp://… where the release is called fencepost
      securityContext: {runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{ toJson . }}
      {{- end }}
      {{- if .migrates }}
      initContainers:
        - name: migrate
          image: {{ include "fencepost.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [python, -m, service, migrate]
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          env:
            {{- include "fencepost.env" $root | nindent 12 }}
          volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]
      {{- end }}
      containers:
        - name: {{ .process }}
          image: {{ include "fencepost.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: {{ toJson .command }}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          env:
            {{- include "fencepost.env" $root | nindent 12 }}
          {{- if eq .process "api" }}
          ports: [{name: http, containerPort: 8765}]
          livenessProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 10}
          readinessProbe: {httpGet: {path: /health/ready, port: http}, periodSeconds: 5}
          {{- end }}
          resources: {{ toJson $own.resources }}
          volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]
      volumes:
        {{- with $root.Values.existingClaim }}
        - {name: data, persistentVolumeClaim: {claimName: {{ . }}}}
        {{- else }}
        - {name: data, emptyDir: {}}
        {{- end }}
        - {name: tmp, emptyDir: {}}
      {{- with $root.Values.nodeSelector }}
      nodeSelector: {{ toJson . }}
      {{- end }}
      {{- with $root.Values.tolerations }}
      tolerations: {{ toJson . }}
      {{- end }}
{{- end }}
