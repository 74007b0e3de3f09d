"""Settings under which rounding errors stay small, so that results of another order of computation can be compared."""

# A gradient of 0, such as that of a bias before BatchNorm, consists of rounding errors, which Adam would magnify.
EPSILONS = [f"{role}/Adam.epsilon = 1e-3" for role in ("synthesis", "latents", "inner", "contrast")]
# The same holds for the smallest gradients of a student, to a degree that depends on the machine.
EPSILONS += ["student/Adam.epsilon = 1e-4"]
# With larger steps a rounding error grows from update to update.
ROUNDS = ["generator_learning_rate = 5e-4", "latent_learning_rate = 1.5e-3"]
SHORT_STEPS = {
    "dfad.gin": ["adversarial_learning_rate = 2e-3"],
    "zskt.gin": [f"{role}/CosineDecayOverTraining.initial_learning_rate = 5e-4" for role in ("student", "synthesis")],
    **dict.fromkeys(("fast.gin", "fast_meta.gin", "nayer.gin", "ssdkd.gin"), ROUNDS),
    "cmi.gin": [*ROUNDS, "ContrastiveDiversity.temperature = 1.0"],  # at 0.1, its gradients are ten times larger
}


def steady(method):
    """Returns gin bindings for a method's file, such as "ssdkd.gin"."""
    return [*EPSILONS, *SHORT_STEPS.get(method, [])]
