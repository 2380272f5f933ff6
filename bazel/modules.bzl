"""What module extensions share: the tags of all modules, paddle_images' own first."""

_OWN = "paddle_images"

def tags_of(mctx, kind, name):
    """The tags of a class, of all modules, by a name that is theirs alone.

    Args:
      mctx: the context of the extension.
      kind: the tag class.
      name: the attribute that names a tag.

    Returns:
      name -> tag; those of paddle_images itself come first, for others to build on.
    """
    found, owners = {}, {}
    own = [module for module in mctx.modules if module.name == _OWN]
    for module in own + [module for module in mctx.modules if module.name != _OWN]:
        for tag in getattr(module.tags, kind):
            key = getattr(tag, name)
            if key in found:
                fail("%s(%s = \"%s\") stands in MODULE.bazel of %s and of %s. Give yours another name, such as \"%s_%s\"." %
                     (kind, name, key, owners[key], module.name, module.name, key))
            found[key] = tag
            owners[key] = module.name
    return found

def lock_labels(mctx, locks, attribute):
    """The locks that models and images may be made from: those of `dev_dependency` usages are for tests.

    Args:
      mctx: the context of the extension.
      locks: hub -> tag.
      attribute: the attribute of a tag that is its lock.

    Returns:
      hub -> label of its lock, as a string.
    """
    return {
        hub: str(getattr(tag, attribute))
        for hub, tag in locks.items()
        if getattr(tag, attribute) and not mctx.is_dev_dependency(tag)
    }

def own_tags_of(mctx, kind, why):
    """The tags of a class that paddle_images alone gives.

    Args:
      mctx: the context of the extension.
      kind: the tag class.
      why: a sentence for who gives some in another module.

    Returns:
      the tags.
    """
    for module in mctx.modules:
        if module.name != _OWN and getattr(module.tags, kind):
            fail("%s(...) stands in MODULE.bazel of %s, but is paddle_images' own. %s" % (kind, module.name, why))
    return [tag for module in mctx.modules for tag in getattr(module.tags, kind)]
