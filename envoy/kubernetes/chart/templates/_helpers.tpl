{{- define "corsgate.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "corsgate.selector" -}}
app.kubernetes.io/name: corsgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "corsgate.labels" -}}
{{ include "corsgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "corsgate.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* The Secret of the gRPC port, or nothing. */ -}}
{{- define "corsgate.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled }}{{ include "corsgate.name" . }}-tls{{ else }}{{ .Values.tls.existingSecret }}{{ end -}}
{{- end }}

{{- /* A file of the chart, whole: some ways to fetch a chart lose files. */ -}}
{{- define "corsgate.file" -}}
{{- .Files.Get .file | required (printf "the chart lacks %s: fetch it whole" .file) -}}
{{- end }}

{{- /* The volume with the policies. */ -}}
{{- define "corsgate.policiesVolume" -}}
{{- $given := 0 -}}
{{- range list .Values.policies .Values.existingConfigMap .Values.policiesVolume }}{{ if . }}{{ $given = add1 $given }}{{ end }}{{ end -}}
{{- if not $given }}
{{- fail "there are no policies: say where they are, in one of the values policies, existingConfigMap and policiesVolume" }}
{{- else if ne (int $given) 1 }}
{{- fail "several of the values policies, existingConfigMap and policiesVolume say where the policies are: take out all but one, such as by --set policies=null" }}
{{- end -}}
{{- if .Values.policiesVolume -}}
{{ toYaml .Values.policiesVolume }}
{{- else -}}
configMap: {name: {{ .Values.existingConfigMap | default (printf "%s-policies" (include "corsgate.name" .)) }}}
{{- end -}}
{{- end }}

{{- /* What cannot work is refused before anything is installed. */ -}}
{{- define "corsgate.check" -}}
{{- $tls := include "corsgate.tlsSecret" . -}}
{{- if and .Values.ecds.enabled (not $tls) (not .Values.ecds.insecureAllowRemote) }}
{{- fail "ecds.enabled gives the policies to whoever reaches the port: set tls.existingSecret or tls.certManager, or ecds.insecureAllowRemote" }}
{{- end }}
{{- if and .Values.ecds.enabled (not $tls) (not (and .Values.networkPolicy.enabled .Values.networkPolicy.from)) }}
{{- fail "ecds.insecureAllowRemote gives the policies to whoever reaches the port: set networkPolicy.enabled, and name Envoy's pods in networkPolicy.from" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled .Values.tls.existingSecret }}
{{- fail "tls.certManager and tls.existingSecret are both set: leave one out" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) }}
{{- fail "tls.certManager.enabled needs tls.certManager.issuerRef.name" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled .Values.ecds.enabled (not .Values.tls.certManager.envoyNamespaces) (not .Values.ecds.allow) }}
{{- fail "ecds.enabled would give the policies to each certificate of the issuer: name Envoy's namespaces in tls.certManager.envoyNamespaces, or Envoy's certificates in ecds.allow" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled (eq (.Values.tls.certManager.issuerRef.kind | default "Issuer") "Issuer") }}
{{- range without .Values.tls.certManager.envoyNamespaces .Release.Namespace }}
{{- fail (printf "an Issuer signs in its own namespace alone, and tls.certManager.envoyNamespaces has %s: use a ClusterIssuer" .) }}
{{- end }}
{{- end }}
{{- if and (or .Values.tls.allowedSANs .Values.ecds.allow) (not $tls) }}
{{- fail "tls.allowedSANs and ecds.allow have no certificates to look at: set tls.existingSecret or tls.certManager" }}
{{- end }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" (include "corsgate.name" .)) }}
{{- fail (printf "%q cannot name a Service: begin the release's name with a small letter, and write small letters, digits and hyphens only, or set nameOverride" (include "corsgate.name" .)) }}
{{- end }}
{{- range $label, $value := .Values.podLabels }}
{{- if or (hasPrefix "app.kubernetes.io/" $label) (hasPrefix "helm.sh/" $label) }}
{{- fail (printf "podLabels: the chart sets %s, by which the pods are found: leave it out" $label) }}
{{- end }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas: write at most as many" }}
{{- end }}
{{- $size := 0 }}
{{- range .Values.policies }}{{ $size = add $size (len .) }}{{ end }}
{{- if gt (int $size) 1048576 }}
{{- fail "the policies are larger than a ConfigMap takes, 1 MiB: keep several ConfigMaps, and name them in policiesVolume" }}
{{- end }}
{{- end }}

{{- /* The names in Envoy's certificates that are made here, as JSON. */ -}}
{{- define "corsgate.envoys" -}}
{{- $names := list }}
{{- with .Values.tls.certManager }}{{ if .enabled }}
{{- range .envoyNamespaces }}{{ $names = append $names (printf "envoy.%s" .) }}{{ end }}
{{- end }}{{ end }}
{{- toJson $names }}
{{- end }}

{{- define "corsgate.args" -}}
{{- $tls := "/etc/corsgate/tls" -}}
- serve
- --policies=/etc/corsgate/policies
- --grpc-listen=:9001
{{- if .Values.state.enabled }}
- --state-dir=/var/lib/corsgate/state
{{- end }}
{{- if .Values.metrics.enabled }}
- --metrics-listen=:9003
{{- end }}
{{- if include "corsgate.tlsSecret" . }}
- --grpc-tls-cert={{ $tls }}/tls.crt
- --grpc-tls-key={{ $tls }}/tls.key
- --grpc-tls-client-ca={{ $tls }}/ca.crt
{{- end }}
{{- range .Values.tls.allowedSANs }}
- --grpc-tls-allowed-san={{ . }}
{{- end }}
{{- if .Values.ecds.enabled }}
- --ecds
{{- if .Values.ecds.insecureAllowRemote }}
- --ecds-insecure-allow-remote
{{- end }}
{{- range .Values.ecds.allow }}
- --ecds-allow={{ . }}
{{- else }}
{{- range include "corsgate.envoys" . | fromJsonArray }}
- --ecds-allow={{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- /* How the kubelet asks: by gRPC, or with TLS, which it does not speak, by the command. */ -}}
{{- define "corsgate.probe" -}}
{{- if include "corsgate.tlsSecret" . -}}
exec: {command: [/corsgate, health]}
timeoutSeconds: 5
{{- else -}}
grpc: {port: 9001}
timeoutSeconds: 2
{{- end }}
{{- end }}
