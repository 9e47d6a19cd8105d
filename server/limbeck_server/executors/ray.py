"""stub"""


class RayPlacer:
    def __init__(self, *a): ...


def require_ray(settings): ...
