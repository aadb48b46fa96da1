#!/bin/sh
# Detect with nothing but curl:
#
#   examples/curl.sh service/bundles/bccd-passd-320/blood-cells-2.jpg [http://localhost:8000]
set -eu
picture=${1:?give a picture, and the address of the server if it is elsewhere}
url=${2:-http://localhost:8000}

# --retry: a busy server (503, 429) says in Retry-After when to ask again; --retry-connrefused: it may be starting.
# --fail-with-body: after an error, curl prints the server's reason and ends with a status other than 0
detect() { curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused "$@"; }
# with a key: detect() { curl … --header "Authorization: Bearer $KEY" "$@"; }

echo "what the server serves:"
detect "$url/models"
echo

echo "one picture:"
detect --data-binary "@$picture" "$url/detect"
echo

echo "the three best detections above 0.8:"
detect --data-binary "@$picture" "$url/detect?score_threshold=0.8&max_detections=3"
echo

echo "two pictures in one request:"
detect --form "image=@$picture" --form "image=@$picture" "$url/detect"
echo

echo "the picture with the boxes on it: detections.jpg"
detect --data-binary "@$picture" --output detections.jpg "$url/detect?format=image"
