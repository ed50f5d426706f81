from training.studies.seams import score_generated


def test_proposals_reach_the_true_bands_where_boxes_do_not():
    table = score_generated(4, 920)
    assert table["iou"].mean() >= 0.70
    assert table["box_iou"].mean() < 0.5
