"""Finding recipes."""

import pytest
from harness import once

from keras_robust import recipes
from keras_robust.recipes import find, get

pytestmark = once


def names(**fields):
    return {row.name for row in find(**fields)}


def test_fields_must_all_fit():
    rows = find(paper="dal", dataset="cifar100", noise="instance:0.4")
    assert {"CE", "GCE", "SCE", "NLNL", "CE+SR", "JS", "DGCE", "DAL", "ELR+DAL"} < {row.label for row in rows}
    assert len(rows) == 25
    assert find() == recipes.RECIPES
    assert find(paper="dal", dataset="mnist") == ()


def test_one_of_several_values():
    assert names(label=["CE", "gce"], dataset="clothing1m", paper="apl") == {
        "apl/clothing1m/real/ce",
        "apl/clothing1m/real/gce",
    }
    assert names(label={"CE", "GCE"}, dataset="clothing1m") == names(label=["CE", "GCE"], dataset="clothing1m")
    assert names(noise=[None, "human:worst"]) == names(noise=None) | names(noise="human:worst")
    assert names(label=[]) == set()


def test_patterns_and_plain_texts():
    assert {row.noise for row in find(paper="apl", dataset="cifar10", noise="asymmetric*")} == {
        f"asymmetric.sequential:{rate}" for rate in (0.1, 0.2, 0.3, 0.4)
    }
    assert names(name="*/animal10n/*nce*", paper="dal") == {
        "dal/animal10n/real/nce+agce",
        "dal/animal10n/real/nce+rce",
    }
    assert names(label="MAE*", paper="logit-bias", dataset="cifar10", noise=None, variant=None) == {
        "logit-bias/cifar10/clean/mae",
        "logit-bias/cifar10/clean/mae-star",
    }
    assert find(label="ce") == find(label="CE")
    assert find(noise="symmetric") == ()


def test_numbers_and_absent_values():
    assert {row.dataset for row in find(learning_rate=0.4, batch_size=512)} == {"mini_webvision"}
    assert {row.label for row in find(l1=5e-6)} == {"ANL-CE", "ANL-FL"}
    assert find(noise=None) == tuple(row for row in recipes.RECIPES if row.noise is None)
    assert find(weight_decay=False) == ()
    assert {row.paper for row in find(nesterov=True)} == {"apl", "anl", "dal"}
    assert len(find(verified=True)) + len(find(verified=False)) == len(recipes.RECIPES)


def test_fields_with_several_values():
    assert {row.paper for row in find(missing="epochs")} == {"logit-bias", "cifar-n"}
    assert {row.label for row in find(missing="loss", paper="logit-bias")} == {"symCE"}
    assert {row.dataset for row in find(boundaries=5)} == {"clothing1m"}
    assert {row.label for row in find(contested="bootstrap:*")} == {"DAL"}


def test_unknown_fields_and_names():
    with pytest.raises(
        ValueError, match="Recipes have no field 'lr'. Their fields are: name, verified, .*learning_rate"
    ):
        find(lr=0.1)
    with pytest.raises(ValueError, match=r"no recipe 'anl/cifar10/symmetric:0.4/anl'. Near it are: .*/anl-ce"):
        get("anl/cifar10/symmetric:0.4/anl")
    with pytest.raises(ValueError, match=r"no recipe 'zzz'\. `recipes.find"):
        get("zzz")
