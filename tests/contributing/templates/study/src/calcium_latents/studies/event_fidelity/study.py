"""What the workflow needs to know of the study `event_fidelity`."""

from calcium_latents.planning.plan import Plan


def groups(plan: Plan) -> dict:
    """Return the recordings."""
    return {"run": plan.settings["event_fidelity"]["run"]}
