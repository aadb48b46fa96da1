"""What the README's commands are changed to before they are run; nothing else is changed."""

# The README prints the figures of fp32. The servers take free ports.
PRECISION = {"SINGLESHOT_PRECISION": "fp32"}
PORTS = {"--port 8123": "--port 0"}
# Two pictures, one epoch, no download: this trains nothing, but each command must do its work and name its files.
SHORT_TRAINING = {
    "--split train --out runs/mine": "--split train --out runs/mine "
    "--epochs 1 --init none --set model.num_frozen_stages=0",
}
# In the suite: the packages are installed already, and ONNX Runtime is ready sooner than OpenVINO.
INSTALLED = {"make serve": "singleshot serve --port 0"}
QUICK = {**PRECISION, "SINGLESHOT_ENGINE": "onnx", "SINGLESHOT_MAX_BATCH": "2"}
