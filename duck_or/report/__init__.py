"""What calls tell when they are added up: read (`source`), summed (`figures`), drawn (`charts`, `page`) or printed (`text`).

Only `charts` and `page` need the extra `report`.
"""
