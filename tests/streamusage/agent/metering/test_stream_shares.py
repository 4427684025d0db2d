"""Properties of dealing a server's units over its streams."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.metering.stream_shares import SlotAmount, deal, deal_over_slots
from streamusage.core.usage import StreamId

AMOUNTS = st.integers(0, 2**50)
WEIGHTS = st.dictionaries(
    st.builds(StreamId, st.sampled_from("ab"), st.text("xyz", min_size=1, max_size=2)), AMOUNTS, max_size=12
)
SLOTS = st.lists(AMOUNTS, max_size=8).map(
    lambda amounts: [SlotAmount(60_000 * number, amount) for number, amount in enumerate(amounts)]
)


def test_stream_with_the_largest_remainder_is_rounded_up() -> None:
    assert deal(10, {"a": 1, "b": 1, "c": 1}) == {"a": 4, "b": 3, "c": 3}
    assert deal(10, {"a": 10, "b": 25, "c": 65}) == {"a": 1, "b": 3, "c": 6}


def test_nothing_is_dealt_without_a_weight() -> None:
    assert deal(10, {}) == deal(10, {"a": 0}) == deal(0, {"a": 1}) == {}


@given(AMOUNTS, WEIGHTS)
def test_shares_sum_to_the_total_and_none_is_negative(total: int, weights: dict[StreamId, int]) -> None:
    shares = deal(total, weights)
    assert sum(shares.values()) == (total if any(weights.values()) else 0)
    assert all(share > 0 for share in shares.values())


@given(AMOUNTS, WEIGHTS)
def test_share_is_within_one_unit_of_its_proportion(total: int, weights: dict[StreamId, int]) -> None:
    shares, whole = deal(total, weights), sum(weights.values())
    for key, weight in weights.items():
        assert whole == 0 or abs(shares.get(key, 0) * whole - total * weight) < whole


@given(AMOUNTS, WEIGHTS, st.randoms())
def test_order_of_the_streams_does_not_matter(total: int, weights: dict[StreamId, int], random: object) -> None:
    keys = list(weights)
    random.shuffle(keys)  # type: ignore[attr-defined]
    assert deal(total, {key: weights[key] for key in keys}) == deal(total, weights)


@given(SLOTS, WEIGHTS)
def test_shares_sum_to_the_amount_of_each_slot_and_to_the_share_of_each_stream(
    amounts: list[SlotAmount], weights: dict[StreamId, int]
) -> None:
    by_slot = dict(deal_over_slots(amounts, weights))
    of_streams: Counter[StreamId] = Counter()
    for slot, shares in by_slot.items():
        assert sum(shares.values()) == dict(amounts)[slot]
        assert all(share > 0 for share in shares.values())
        of_streams.update(shares)
    assert of_streams == deal(sum(amount for _, amount in amounts), weights)


@given(SLOTS, WEIGHTS)
def test_shares_of_a_slot_follow_the_weights(amounts: list[SlotAmount], weights: dict[StreamId, int]) -> None:
    """Rounding is corrected by later slots, so that it never adds up to more than a unit for each slot."""
    whole = sum(weights.values())
    for slot, shares in deal_over_slots(amounts, weights):
        for key, weight in weights.items():
            difference = abs(shares.get(key, 0) * whole - dict(amounts)[slot] * weight)
            assert difference <= len(amounts) * whole
