"""What anemoi writes: datasets of analyses (Zarr), and the habits of anemoi-inference's NetCDF and Zarr output."""

from evalflow.fields.arrays import Arrays

_UNITS = {
    **dict.fromkeys(("tp", "TOT_PREC", "TOT_PREC_1H", "TOT_PREC_6H"), "m"),
    **dict.fromkeys(("tcc", "lcc", "mcc", "hcc"), "1"),
}


def output_units(arrays: Arrays) -> dict[str, str]:
    return {}
