# SPDX-License-Identifier: Apache-2.0
"""What an operator or a manager may ask, and what may go wrong, without an end of the process."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from live_stage import Stage, stage, write_tiny_model

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


def answer(played: Stage, number: int = 0, label: str = "") -> bool:
    """Whether the service change_state says that the transition was made."""
    from lifecycle_msgs.srv import ChangeState

    client = played.driver.create_client(ChangeState, "segrgbx/change_state")
    assert played.spin_until(client.service_is_ready)
    request = ChangeState.Request()
    request.transition.id, request.transition.label = number, label
    future = client.call_async(request)
    assert played.spin_until(future.done), "the caller was not answered"
    played.driver.destroy_client(client)
    return bool(future.result().success)


def test_requests_that_do_not_apply_are_answered(model: str) -> None:
    from lifecycle_msgs.msg import Transition

    with stage(model=model) as played:
        assert played.spin_until(lambda: played.node.run is not None), played.node.failure
        for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE, 0, 77):
            assert not answer(played, number), number
        assert not answer(played, label="fly")
        assert not answer(played, label="configure")
        assert played.node.state_name == "active"
        assert answer(played, Transition.TRANSITION_DEACTIVATE)
        assert answer(played, label="activate")
        assert played.node.run is not None
        assert answer(played, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert not answer(played, Transition.TRANSITION_CONFIGURE)


def test_autostart_leaves_a_node_alone_that_a_manager_has_configured(model: str) -> None:
    from lifecycle_msgs.msg import Transition

    with stage(model=model) as played:
        assert played.node.trigger_configure().name == "SUCCESS"
        # The timer of autostart destroys itself when it has run.
        assert played.spin_until(lambda: played.node._start_timer not in played.node.timers)
        assert played.node.state_name == "inactive"
        assert answer(played, Transition.TRANSITION_ACTIVATE)


def test_a_callback_that_raises_is_counted_and_the_next_one_runs(
    model: str, caplog: pytest.LogCaptureFixture
) -> None:
    from segrgbx_ros.node.survival import spin

    with stage(model=model, autostart=False) as played:
        calls: list[int] = []

        def fail() -> Any:
            calls.append(1)
            if len(calls) == 4:
                played.node.context.shutdown()
            raise ValueError("by surprise")

        played.node.create_timer(0.01, fail)
        spin(played._executor)
        assert len(calls) == 4
        assert played.node.callback_defects == 3
        said = [record for record in caplog.records if record.exc_info]
        assert "by surprise" in str(said[0].exc_info[1])
