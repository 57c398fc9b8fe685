"""What is said before a run is what the run does."""

from archspec.report.introduction import introduce


def lines_of(session):
    return [" ".join(line).strip() for line in introduce(session, len(session.data.classes))]


def test_a_policy_and_kept_features_say_what_they_spare(session_of):
    settings = ("epochs=4", "freeze={type: lp-ft, probe: 2, until: stages.1}", "features=memory", "mirror=true")
    session = session_of(*settings)
    (frozen,) = (line for line in lines_of(session) if line.startswith("freeze"))
    (features,) = (line for line in lines_of(session) if line.startswith("features"))
    assert frozen.startswith("freeze lp-ft: head trains at first, stages.1 to head at last;")
    head, rest = session.trainer.freezing.phases
    numbers = 2 * 63 + 21  # mirrored, and for validation; of pooled features and of maps
    megabytes = 4 * numbers * sum(phase.prefix.output[0] * _area(phase.prefix.output) for phase in (head, rest)) / 1e6
    assert f"and {numbers} images once through what is frozen: {megabytes:,.0f} MB, kept in memory" in features
    share = (head.compute_kept + rest.compute_kept) / 2
    assert features.startswith(f"features {share:.0%} of the compute")


def _area(shape):
    return shape[1] * shape[2] if len(shape) == 3 else 1


def test_what_is_frozen_at_random_is_said(session_of):
    assert any("drawn at random" in line for line in lines_of(session_of("epochs=1", "freeze=head-only")))
    assert not any("drawn at random" in line for line in lines_of(session_of("epochs=1", out="other")))


def test_no_policy_says_nothing(session_of):
    assert not any(line.startswith("freeze") for line in lines_of(session_of("epochs=1")))
    assert any("layer-decay" in line for line in lines_of(session_of("epochs=1", "freeze=layer-decay", out="other")))
