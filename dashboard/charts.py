"""Plotly charts in one style, in colours that are told apart with every kind of colour vision."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go

from training.scoring.figures import CLASS_COLOURS, PALETTE


def _styled(figure: go.Figure, height_px: int = 300) -> go.Figure:
    legend = {"orientation": "h", "y": 1.15, "title": None}
    figure.update_layout(height=height_px, margin={"l": 10, "r": 10, "t": 40, "b": 10}, legend=legend)
    return figure


def loss_curves(epochs: list[dict[str, Any]], steps: list[dict[str, Any]]) -> go.Figure:
    """Training and validation loss by epoch; the steps of the running epoch as small dots."""
    figure = go.Figure()
    place = [step["epoch"] - 1 + step["step"] / step["steps"] for step in steps]
    dots = {"color": "#BBBBBB", "size": 4}
    figure.add_scatter(x=place, y=[s["loss"] for s in steps], mode="markers", name="step", marker=dots)
    for key, name, colour in (("train_loss", "training", PALETTE[0]), ("val_loss", "validation", PALETTE[1])):
        values = [epoch[key] for epoch in epochs]
        figure.add_scatter(x=_numbers(epochs), y=values, mode="lines+markers", name=name, line={"color": colour})
    figure.update_xaxes(title="epoch").update_yaxes(title="loss", rangemode="tozero")
    return _styled(figure)


def miou_curves(epochs: list[dict[str, Any]]) -> go.Figure:
    """Validation mIoU over all samples and per class."""
    series = {"all": [epoch["val_miou"] for epoch in epochs]}
    for name in epochs[-1]["classes"] if epochs else []:
        series[name] = [epoch["classes"].get(name, {}).get("miou") for epoch in epochs]
    figure = go.Figure()
    for name, values in series.items():
        line = {"color": CLASS_COLOURS.get(name, PALETTE[3]), "dash": "dot" if name == "all" else "solid"}
        figure.add_scatter(x=_numbers(epochs), y=values, mode="lines+markers", name=name, line=line)
    figure.update_xaxes(title="epoch").update_yaxes(title="validation mIoU", range=[0, 1])
    return _styled(figure)


def rate_curves(epochs: list[dict[str, Any]]) -> go.Figure:
    """Learning rate, and photos a second on an axis of its own, by epoch."""
    figure = go.Figure()
    rates = [epoch["lr"] for epoch in epochs]
    figure.add_scatter(x=_numbers(epochs), y=rates, mode="lines+markers", name="learning rate", line={"color": PALETTE[0]})
    speeds = [epoch["samples_per_second"] for epoch in epochs]
    second = {"color": PALETTE[1], "dash": "dot"}
    figure.add_scatter(x=_numbers(epochs), y=speeds, mode="lines+markers", name="photos a second", line=second, yaxis="y2")
    figure.update_layout(yaxis2={"overlaying": "y", "side": "right", "rangemode": "tozero", "showgrid": False})
    figure.update_xaxes(title="epoch").update_yaxes(rangemode="tozero", selector={"anchor": "x"})
    return _styled(figure, 240)


def load_curves(epochs: list[dict[str, Any]]) -> go.Figure:
    """How busy the machine was, by epoch: CPU in %, and GB of memory of the training on an axis of its own."""
    known = [epoch for epoch in epochs if "load" in epoch]
    figure = go.Figure()
    for key, name, colour, axis in (("cpu", "CPU, %", PALETTE[2], "y"), ("memory_gb", "memory, GB", PALETTE[3], "y2")):
        values = [epoch["load"][key] for epoch in known]
        figure.add_scatter(x=_numbers(known), y=values, mode="lines+markers", name=name, line={"color": colour}, yaxis=axis)
    figure.update_layout(yaxis2={"overlaying": "y", "side": "right", "rangemode": "tozero", "showgrid": False})
    figure.update_xaxes(title="epoch").update_yaxes(rangemode="tozero", selector={"anchor": "x"})
    return _styled(figure, 240)


def runs_curves(runs: Mapping[str, list[dict[str, Any]]]) -> go.Figure:
    """Validation mIoU of several runs, by epoch. runs: the epochs of each, by its name."""
    figure = go.Figure()
    for number, (name, epochs) in enumerate(runs.items()):
        line = {"color": PALETTE[number % len(PALETTE)], "dash": ("solid", "dash", "dot")[number // len(PALETTE) % 3]}
        values = [epoch["val_miou"] for epoch in epochs]
        figure.add_scatter(x=_numbers(epochs), y=values, mode="lines+markers", name=name, line=line)
    figure.update_xaxes(title="epoch").update_yaxes(title="validation mIoU", rangemode="tozero")
    return _styled(figure, 320)


def iou_histogram(scores: pd.DataFrame) -> go.Figure:
    """How many samples have which IoU, by class. Columns used: iou, class_name."""
    figure = px.histogram(
        scores,
        x="iou",
        color="class_name",
        nbins=20,
        range_x=[0, 1],
        barmode="overlay",
        opacity=0.7,
        color_discrete_map=CLASS_COLOURS,
        labels={"iou": "IoU", "class_name": "class"},
    )
    return _styled(figure.update_yaxes(title="samples"))


def cause_bars(slots: pd.DataFrame, names: Mapping[str, str]) -> go.Figure:
    """How many samples failed for which cause, by class; a bar's custom data are cause and class. Columns used: cause, class_name,
    samples. names: of causes; what is not among them did not fail."""
    failed = slots[slots["cause"].isin(names)]
    counts = failed.groupby(["cause", "class_name"], as_index=False)["samples"].sum()
    order = counts.groupby("cause")["samples"].sum().sort_values().index
    figure = px.bar(
        counts.assign(name=counts["cause"].map(names)),
        x="samples",
        y="name",
        color="class_name",
        custom_data=["cause", "class_name"],
        category_orders={"name": [names[cause] for cause in order[::-1]]},
        color_discrete_map=CLASS_COLOURS,
        labels={"name": "", "class_name": "class"},
    )
    return _styled(figure, 120 + 28 * len(order))


def likeness_map(places: pd.DataFrame, colour: str) -> go.Figure:
    """The samples where the model sees them; a point's custom data is its sample. Columns used: x, y, sample_id, file_name, iou and
    the one called `colour`: "iou", or one of words."""
    of_words = colour != "iou"
    figure = px.scatter(
        places.sort_values(colour) if of_words else places,
        x="x",
        y="y",
        color=colour,
        custom_data=["sample_id"],
        hover_name="file_name",
        hover_data={"x": False, "y": False, "iou": ":.3f"},
        color_discrete_map=CLASS_COLOURS,
        color_discrete_sequence=PALETTE,
        color_continuous_scale="viridis",
        render_mode="webgl",
        labels={"iou": "IoU", "class_name": "class"},
    )
    figure.update_traces(marker={"size": 7}).update_xaxes(title=None, showticklabels=False).update_yaxes(
        title=None, showticklabels=False
    )
    return _styled(figure, 460).update_layout(dragmode="lasso")


def threshold_lines(curve: pd.DataFrame) -> go.Figure:
    """mIoU by threshold and class. Columns used: threshold, miou, class_name."""
    figure = px.line(
        curve,
        x="threshold",
        y="miou",
        color="class_name",
        color_discrete_map=CLASS_COLOURS,
        labels={"miou": "mIoU", "class_name": "class"},
    )
    return _styled(figure.update_yaxes(range=[0, 1]))


def precision_recall_lines(curve: pd.DataFrame) -> go.Figure:
    """Columns used: class_name, threshold, precision, recall."""
    figure = px.line(
        curve,
        x="recall",
        y="precision",
        color="class_name",
        hover_data={"threshold": ":.2f"},
        color_discrete_map=CLASS_COLOURS,
        labels={"class_name": "class"},
    )
    return _styled(figure.update_yaxes(range=[0, 1.02]).update_xaxes(range=[0, 1]))


def calibration_lines(bins: pd.DataFrame) -> go.Figure:
    """Columns used: class_name, predicted, observed, pixels. On the dotted line probabilities can be believed."""
    figure = px.line(
        bins,
        x="predicted",
        y="observed",
        color="class_name",
        markers=True,
        hover_data={"pixels": ":,"},
        color_discrete_map=CLASS_COLOURS,
        labels={"class_name": "class", "predicted": "probability", "observed": "share of pixels that are true"},
    )
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": "#999999", "dash": "dot"})
    return _styled(figure.update_yaxes(range=[0, 1.02]).update_xaxes(range=[0, 1]))


def prompt_matrix(document: dict[str, Any]) -> go.Figure:
    """mIoU of each prompt (rows) with each class's labels (columns). document: of `training.scoring.prompts.ask_prompts`."""
    classes, prompts = list(document["samples"]), list(document["miou"])
    values = [[document["miou"][prompt].get(name) for name in classes] for prompt in prompts]
    names = [f"{prompt} ({document['prompts'][prompt] or 'free'})" for prompt in prompts]
    figure = px.imshow(values, x=[f"{name} labels" for name in classes], y=names, zmin=0, zmax=1, text_auto=".2f", aspect="auto")
    return _styled(figure.update_coloraxes(colorscale="viridis", showscale=False), 90 + 30 * len(prompts))


def before_after(both: pd.DataFrame, before: str, after: str) -> go.Figure:
    """Each sample's IoU in two runs; above the line the second is better. Columns: iou, iou_other, class_name, file_name."""
    figure = px.scatter(
        both,
        x="iou",
        y="iou_other",
        color="class_name",
        hover_name="file_name",
        color_discrete_map=CLASS_COLOURS,
        range_x=[0, 1],
        range_y=[0, 1],
        labels={"iou": before, "iou_other": after, "class_name": "class"},
    )
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": "#999999", "dash": "dot"})
    return _styled(figure, 420)


def iou_strip(answers: pd.DataFrame) -> go.Figure:
    """Each answer's IoU with the known truth, by reviewer. Columns: reviewer, iou, class_name, file_name."""
    figure = px.strip(
        answers,
        x="iou",
        y="reviewer",
        color="class_name",
        hover_name="file_name",
        range_x=[0, 1.02],
        color_discrete_map=CLASS_COLOURS,
        labels={"iou": "IoU with the truth", "class_name": "class"},
    )
    return _styled(figure, 120 + 60 * answers["reviewer"].nunique())


def gain_points(gains: pd.DataFrame) -> go.Figure:
    """What fixing and training again bought, by part, with 95 % intervals. Columns: those of `training.review.before_after.gains`."""
    figure = go.Figure()
    names = (("gain", "together"), ("model_change", "the model"), ("label_change", "the labels"))
    for colour, (key, name) in zip(PALETTE, names, strict=False):
        high, low = gains[f"{key}_high"].astype(float) - gains[key], gains[key] - gains[f"{key}_low"].astype(float)
        bars = {"type": "data", "array": high.fillna(0), "arrayminus": low.fillna(0)}
        figure.add_scatter(
            x=gains[key],
            y=gains["part"],
            name=name,
            mode="markers",
            error_x=bars,
            marker={"color": colour, "size": 11},
            orientation="h",  # grouped points stand below each other, not beside: x is the value
        )
    figure.add_vline(x=0, line={"color": "#999999", "dash": "dot"})
    figure.update_layout(scattermode="group")
    figure.update_xaxes(title="change of mIoU").update_yaxes(autorange="reversed")
    return _styled(figure, 130 + 60 * len(gains))


def _numbers(epochs: list[dict[str, Any]]) -> list[int]:
    return [epoch["epoch"] for epoch in epochs]
