"""Analysis test of the rule behind `paddle_model`."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//bazel/model:defs.bzl", "PaddleModelInfo")

def _model_test_impl(ctx):
    env = analysistest.begin(ctx)
    actions = {
        action.mnemonic: action
        for action in analysistest.target_actions(env)
    }
    asserts.equals(env, ["PaddleFinish", "PaddleTrain"], sorted(actions.keys()))

    # Both run under the deterministic settings, and under nothing of the caller's.
    for action in actions.values():
        asserts.equals(env, {
            "HOME": "/tmp",
            "LC_ALL": "C.UTF-8",
            "MKL_CBWR": "COMPATIBLE",
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "TZ": "UTC",
        }, action.env)

    # The required metrics are no input of the training.
    asserts.false(env, "--require" in actions["PaddleTrain"].argv)
    asserts.true(env, "accuracy=0.5" in actions["PaddleFinish"].argv)

    # What a dependent gets is the checked model, never what the trainer wrote.
    target = analysistest.target_under_test(env)
    asserts.equals(env, ["bare"], [f.basename for f in target[DefaultInfo].files.to_list()])
    asserts.equals(env, "bare", target[PaddleModelInfo].model.basename)
    asserts.equals(env, None, target[PaddleModelInfo].samples)
    return analysistest.end(env)

model_test = analysistest.make(_model_test_impl)
