"""Slow and simple versions of the computations in models, written from the papers: plain loops over Python numbers."""

import math

Box = tuple[float, float, float, float]


def iou(a: Box, b: Box) -> float:
    """IoU of two boxes xyxy; 0 if both are empty."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    intersection = max(width, 0.0) * max(height, 0.0)
    areas = [max(x2 - x1, 0.0) * max(y2 - y1, 0.0) for x1, y1, x2, y2 in (a, b)]
    union = sum(areas) - intersection
    return intersection / union if union > 0 else 0.0


def encode(target: Box, reference: Box) -> Box:
    """PASSD eq. 1; both cxcywh."""
    gx, gy, gw, gh = target
    bx, by, bw, bh = reference
    return (gx - bx) / bw, (gy - by) / bh, math.log(gw / bw), math.log(gh / bh)


def inside_share(box: Box, other: Box) -> float:
    """The share of a box's area inside another one; 0 for a box without area."""
    common = (max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3]))
    return area(common) / area(box) if area(box) > 0 else 0.0


def bipartite(boxes: list[Box], ground_truth: list[Box]) -> dict[int, int]:
    """The object of each box that is some object's own: the best pair of all without a partner, again and again.

    SSD §2.2 and its code, which matches nothing below an IoU of 1e-6.
    """
    partner: dict[int, int] = {}
    while True:
        pairs = [
            (-iou(box, other), m, n)
            for m, other in enumerate(ground_truth)
            for n, box in enumerate(boxes)
            if m not in partner.values() and n not in partner and iou(box, other) > 1e-6
        ]
        if not pairs:
            return partner
        _, m, n = min(pairs)
        partner[n] = m


def match(boxes: list[Box], ground_truth: list[Box], iou_threshold: float, force_best: bool) -> list[int | None]:
    """For each box the object with the highest IoU, if it is above the threshold.  # PASSD §5, SSD §2.2"""
    matched: list[int | None] = []
    for box in boxes:
        overlaps = [iou(box, other) for other in ground_truth]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        matched.append(best if best is not None and overlaps[best] > iou_threshold else None)
    if force_best:
        for n, m in bipartite(boxes, ground_truth).items():
            matched[n] = m
    return matched


def match_anchors(
    boxes: list[Box], ground_truth: list[Box], positive_iou: float, negative_iou: float, force_best: bool
) -> list[tuple[str, int]]:
    """For each box positive, negative or ignored, and the object that it learns.  # RetinaNet §4, Detectron"""
    table = [[iou(box, other) for other in ground_truth] for box in boxes]
    matched = []
    for row in table:
        best = max(range(len(row)), key=row.__getitem__)
        state = "positive" if row[best] >= positive_iou else "negative" if row[best] < negative_iou else "ignored"
        for m in range(len(ground_truth)):
            if force_best and row[m] > 1e-6 and row[m] == max(other[m] for other in table):
                state = "positive"
        matched.append((state, best))
    if force_best:
        for n, m in bipartite(boxes, ground_truth).items():
            matched[n] = ("positive", m)
    return matched


def bilinear(plane: list[list[float]], y: float, x: float) -> float:
    """The value of a map at (row, column) y, x between its cells; 0 outside.  # Dai et al. 2017, eq. 3-4"""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < len(plane) and 0 <= column < len(plane[0]):
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row][column]
    return total


def offset_conv(
    features: list[list[list[float]]],
    filters: list[list[list[float]]],
    bias: float,
    geometry: Box,
    position: tuple[int, int],
) -> float:
    """One output of one box at one cell.  # PASSD §5.1.2, eq. 3-5

    features [C][H][W]; filters [C][3][3]; geometry (shift_y, shift_x, height, width) of the adjusted box in cells.
    """
    shift_y, shift_x, height, width = geometry
    total = bias
    for r_y in (-1, 0, 1):
        for r_x in (-1, 0, 1):
            offset_y = r_y * height / 3 + shift_y - r_y  # eq. 4
            offset_x = r_x * width / 3 + shift_x - r_x
            y = position[0] + r_y + offset_y  # eq. 5
            x = position[1] + r_x + offset_x
            for plane, weights in zip(features, filters, strict=True):
                total += weights[r_y + 1][r_x + 1] * bilinear(plane, y, x)
    return total


def area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def average_precision(
    detections: list[tuple[int, float, Box]],
    objects: list[tuple[int, Box, bool]],
    iou_threshold: float,
    area_range: tuple[float, float] = (0.0, math.inf),
) -> tuple[float, float]:
    """(all-point, eleven-point) AP of one class.  # Everingham et al. 2010, §4.2; VOC 2010 development kit

    detections (image, score, box) and objects (image, box, is_difficult). Each detection, best first, claims the object
    of its image with the highest IoU. A second claim on an object is an error; a claim on a difficult object is not
    counted. An object outside the range of areas is difficult; a detection outside it without a claim is not counted.
    """
    low, high = area_range
    objects = [(image, box, difficult or not low <= area(box) < high) for image, box, difficult in objects]
    num_objects = sum(not is_difficult for *_, is_difficult in objects)
    claimed: set[int] = set()
    hits: list[bool] = []
    for image, _, box in sorted(detections, key=lambda detection: -detection[1]):
        overlaps = {i: iou(box, other) for i, (own, other, _) in enumerate(objects) if own == image}
        best = max(overlaps, key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] < iou_threshold:
            if low <= area(box) < high:
                hits.append(False)
        elif not objects[best][2]:
            hits.append(best not in claimed)
            claimed.add(best)
    points = [(sum(hits[: n + 1]), n + 1) for n in range(len(hits))]  # (true positives, detections)
    all_points = 0.0
    for found in range(1, num_objects + 1):
        all_points += max((tp / n for tp, n in points if tp >= found), default=0.0) / num_objects
    eleven = 0.0
    for tenth in range(11):
        eleven += max((tp / n for tp, n in points if 10 * tp >= tenth * num_objects), default=0.0) / 11
    return all_points, eleven
