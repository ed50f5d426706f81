"""A run's model out to a hub: checkpoint and full card in one commit."""

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import httpx

from core.errors import DrywallError, RequestError
from core.files import write_atomically
from training.runs.model_card import model_card
from training.runs.opened import OpenedRun
from training.scoring.evaluation import summary


def push(run: OpenedRun, repo: str, *, license_id: str = "unknown", private: bool = True) -> str:
    """Push the run's best checkpoint to `repo` (made if it is new); returns the commit's address.

    The card beside the checkpoint is written anew, with the test figures if the run was scored. Hub and token are those
    huggingface_hub is set up with. Raises RequestError for a run without a checkpoint or a repo's name that cannot be,
    DrywallError when the hub refuses or cannot be reached.
    """
    record, folder = run.record, run.folder
    if not (folder.best_checkpoint / "config.json").is_file():
        raise RequestError(f"run {run.id} ({record.status}) has no checkpoint; choose one that finished an epoch")
    started = next((event for event in folder.read_events() if event["event"] == "started"), {"train": 0, "val": 0})
    figures = None if run.store.scores(run.id, "test").empty else summary(run.store, run.id, "test")
    card = model_card(run.config, record, started["train"], started["val"], figures, license_id)
    write_atomically(folder.best_checkpoint / "README.md", card.encode())
    hub = HfApi()
    try:
        hub.create_repo(repo, private=private, exist_ok=True)
        commit = hub.upload_folder(repo_id=repo, folder_path=folder.best_checkpoint, commit_message=f"Drywall QA run {run.id}")
    except HFValidationError as error:
        raise RequestError(f"{repo} cannot be a repository's name; write OWNER/NAME, for example team/cracks") from error
    except (HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled, httpx.HTTPError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DrywallError(
            f"{repo} was not pushed to {hub.endpoint} ({reason}); check the network and log in with `hf auth login`"
        ) from error
    return commit.commit_url
