{{/* The metric of a pod that prometheus-adapter gives to the autoscaler: deploy/helm/prometheus-adapter.yaml has the queries
below. Takes the values of the autoscaling. */}}
{{- define "singleshot.metric" -}}
{{ eq .metric "queue" | ternary "singleshot_queue_seconds" "singleshot_engine_utilisation" }}
{{- end }}

{{/* The sum of that metric over the pods, which KEDA divides by their number. Takes a dict of metric and pods, a selector. */}}
{{- define "singleshot.query" -}}
{{- if eq .metric "queue" -}}
sum(sum by (pod) (rate(singleshot_stage_duration_seconds_sum{stage="queue", {{ .pods }}}[1m])) / clamp_min(sum by (pod) (rate(singleshot_stage_duration_seconds_count{stage="queue", {{ .pods }}}[1m])), 0.001))
{{- else -}}
sum(sum by (pod) (rate(singleshot_worker_busy_seconds_total{ {{- .pods -}} }[1m])) / max by (pod) (singleshot_engine_streams{ {{- .pods -}} }))
{{- end -}}
{{- end }}
