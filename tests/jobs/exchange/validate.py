"""Run by `test_validation` in an environment of its own: validates a package, runs it, and tells what it found.

Arguments: the package, and formats of weights. bioimageio.core must not find this project.
"""

import json
import os
import sys

import numpy as np
from bioimageio.core import create_prediction_pipeline, test_description
from bioimageio.core.digest_spec import get_test_input_sample
from bioimageio.spec import load_description

sys.path.extend(p for p in os.environ.get("TORCH_AT", "").split(os.pathsep) if p)
package, *formats = sys.argv[1:]
told = load_description(package, perform_io_checks=True)
details = told.validation_summary.details
found = {
    "status": told.validation_summary.status,
    "errors": [e.msg for d in details for e in d.errors],
    "formats": {},
}
if not found["errors"]:
    for name in formats:
        summary = test_description(package, weight_format=name)
        with create_prediction_pipeline(told, weight_format=name) as pipeline:
            as_it_is = {"skip_input_padding": True, "skip_output_cropping": True}  # as in one piece
            result = pipeline.predict_sample_without_blocking(get_test_input_sample(told), **as_it_is)
        (output,) = (np.asarray(t.data) for t in result.members.values())
        expected = told.outputs[0].test_tensor.get_reader()
        deviation = float(np.abs(output - np.load(expected)).max())
        errors = [e.msg for d in summary.details for e in d.errors]
        found["formats"][name] = {"status": summary.status, "errors": errors, "deviation": deviation}
found["own"] = [m for m in sys.modules if m.startswith("napari_unet")]
sys.stdout.write(json.dumps(found))
