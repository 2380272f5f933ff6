"""Actions whose program stays; see worker.py."""

def run_worker(ctx, arguments, **kwargs):
    """Runs `ctx.executable._tool`, a program that calls worker.run.

    Args:
      ctx: the rule's context.
      arguments: its arguments, of ctx.actions.args().
      **kwargs: what else ctx.actions.run takes.
    """
    arguments.use_param_file("@%s", use_always = True)
    arguments.set_param_file_format("multiline")
    ctx.actions.run(
        arguments = [arguments],
        executable = ctx.executable._tool,
        execution_requirements = {
            "requires-worker-protocol": "json",
            "supports-workers": "1",
        },
        **kwargs
    )
