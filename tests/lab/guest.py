def build(progress): pass
def prepare_site(shape, folder, with_guest): pass
