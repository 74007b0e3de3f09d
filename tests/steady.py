"""Settings under which rounding stays rounding, so that what computes the same in another order may be compared."""

# A gradient of 0, such as that of a bias before BatchNorm, is one of rounding errors, which Adam would magnify.
EPSILONS = [f"{role}/Adam.epsilon = 1e-3" for role in ("synthesis", "latents", "inner", "contrast")]
# So it would the smallest gradients of a student, more or less by the machine.
EPSILONS += ["student/Adam.epsilon = 1e-4"]
# With longer steps a rounding error grows from update to update until it is none.
ROUNDS = ["generator_learning_rate = 5e-4", "latent_learning_rate = 1.5e-3"]
SHORT_STEPS = {
    "dfad.gin": ["adversarial_learning_rate = 2e-3"],
    "zskt.gin": [f"{role}/CosineDecayOverTraining.initial_learning_rate = 5e-4" for role in ("student", "synthesis")],
    **dict.fromkeys(("fast.gin", "fast_meta.gin", "ssdkd.gin"), ROUNDS),
    "cmi.gin": [*ROUNDS, "ContrastiveDiversity.temperature = 1.0"],  # whose gradients are ten times longer at 0.1
}


def steady(method):
    """Returns bindings for a method's file."""
    return [*EPSILONS, *SHORT_STEPS.get(method, [])]
