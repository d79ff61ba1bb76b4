"""On a problem whose answer is known every adversarial loss gets there, and none does without its gradient.

Distances are means of how far a point has to go (`mixture.distance`), the worst of the four conditions:

    0.02 .. 0.04   between two sets of true points: what is left by chance
    0.2            what is asked for
    0.24           both corners found, but every point at their very middle: no width
    0.6            one corner of two, or the mean of both
    1.0            at the start

The width and the share of both corners are so part of what is asked for.
"""

from typing import Any

import pytest
import torch

from sr_experiments.losses import adversarial
from tests.models.mixture import (
    CONDITIONS,
    SIGMA,
    DeafJudge,
    DetachedJudge,
    distance,
    distances,
    play,
    point_game,
    true_points,
)

NEAR = 0.2
FAR = 0.5

pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start"),  # the moving average
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
]

# What brings each of them there, found by trial. Softplus is vanilla's other name; WGAN has a spectral norm
# and WGAN-GP a penalty, as conf/adversary says.
GAME = {"lr": 2e-3, "discriminator_rate": 2.0, "discriminator_steps": 2, "steps": 600}
CRITIC = {"lr": 1e-3, "discriminator_rate": 2.0, "discriminator_steps": 2, "steps": 900}
GAMES: dict[str, dict[str, Any]] = {
    "vanilla": GAME | {"adversary": {"loss": adversarial.Vanilla(), "r1": 0.1}},
    "vanilla_smooth": GAME | {"adversary": {"loss": adversarial.Vanilla(smoothing=0.1), "r1": 0.1}},
    "lsgan": GAME | {"adversary": {"loss": adversarial.LeastSquares(), "r1": 0.1}},
    "hinge": GAME | {"adversary": {"loss": adversarial.Hinge(), "r1": 0.1}},
    "relativistic": GAME | {"adversary": {"loss": adversarial.Relativistic(), "r1": 0.1}},
    "relativistic_average": GAME | {"adversary": {"loss": adversarial.RelativisticAverage(), "r1": 0.1}},
    "wgan": CRITIC | {"adversary": {"loss": adversarial.Wasserstein()}, "spectral_norm": True},
    # 10 is for images; 0.1 is what the paper's authors take for their own mixtures of points.
    "wgan_gp": CRITIC | {"adversary": {"loss": adversarial.Wasserstein(), "gradient_penalty": 0.1}},
}
QUICK = {"vanilla", "relativistic_average"}


def test_every_adversarial_loss_has_a_game() -> None:
    known = {
        kind
        for kind in vars(adversarial).values()
        if isinstance(kind, type) and issubclass(kind, adversarial.AdversarialLoss)
    }
    assert {type(game["adversary"]["loss"]) for game in GAMES.values()} == known - {
        adversarial.AdversarialLoss
    }


def test_the_distance_tells_the_answer_from_what_is_nearly_it() -> None:
    """Chance, no width, one corner, the mean, and another condition's points."""
    random = torch.Generator().manual_seed(0)
    here, across = (CONDITIONS[index].expand(4000, 2) for index in (0, 1))
    true, other = (true_points(here, random=random) for _ in range(2))
    corners = (true - here).sign() * torch.tensor([0.0, 1.0]) + here
    one_corner = torch.where(true[:, 1:] > 0, true, true + torch.tensor([0.0, 2.0]))
    elsewhere = true_points(across, random=random)
    assert distance(true, true) == 0
    assert distance(true, other) < 0.04
    assert distance(corners, other) == pytest.approx(0.8 * SIGMA, abs=0.03)  # E |N(0, SIGMA)|
    assert distance(corners, other) > NEAR
    assert min(distance(wrong, other) for wrong in (one_corner, here, elsewhere)) > FAR


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in GAMES]
)
def test_the_adversary_alone_finds_the_answer(name: str) -> None:
    model = point_game(**GAMES[name])
    start = distances(model)
    end = distances(play(model, steps=GAMES[name]["steps"]))
    print(f"{name}: {max(start):.3f} at the start, {', '.join(f'{one:.3f}' for one in end)} at the end")
    assert min(start) > FAR
    assert max(end) < NEAR
    assert not model.collect_notes(), "nobody won, and no step was left out"


@pytest.mark.parametrize("cut", [{"judge": DeafJudge}, {"adversary": {"start": 600}}], ids=["deaf", "late"])
def test_without_the_adversarys_gradient_it_is_not_found(cut: dict[str, Any]) -> None:
    """The gradient is zero on its way to the generator; or the adversary would come after the last step."""
    options = GAMES["vanilla"] | cut
    options["adversary"] = GAMES["vanilla"]["adversary"] | cut.get("adversary", {})
    end = distances(play(point_game(**options), steps=options["steps"]))
    print(f"{cut}: {', '.join(f'{one:.3f}' for one in end)} at the end")
    assert min(end) > FAR


def test_an_opinion_without_a_graph_ends_the_run() -> None:
    """As of a discriminator under ``no_grad`` or ``detach``: not a quiet run of the pixel loss alone."""
    model = point_game(**GAMES["vanilla"] | {"judge": DetachedJudge})
    with pytest.raises(RuntimeError, match="does not require grad"):
        play(model, steps=1)
