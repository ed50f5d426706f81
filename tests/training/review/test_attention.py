from training.review.attention import attention


def test_attention_names_boxes_and_low_scores(desk, add_run):
    add_run("r", {5: 0.2, 6: 0.1})
    titles = [item.title for item in attention(desk)]
    assert "1 labels are boxes only" in titles
    assert "2 test samples have an IoU below 0.3" in titles
    assert "Nothing was trained on these labels yet" in titles
