"""DefaceQA as a Nipype interface: one pair in, verdict and record out."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class DefaceQAInputSpec(BaseInterfaceInputSpec):
    """Inputs."""

    original = File(exists=True, mandatory=True, desc="scan before defacing")
    defaced = File(exists=True, mandatory=True, desc="the same scan after defacing")
    brain_mask = File(exists=True, desc="mask of the brain on the original's grid")
    criterion = traits.Enum("lenient", "strict", usedefault=True, desc="what counts as sufficient")
    method = traits.Str(desc="name of the defacing tool")


class DefaceQAOutputSpec(TraitedSpec):
    """Outputs."""

    verdict = traits.Enum("pass", "review", "fail", desc="the worse of face and brain")
    passed = traits.Bool(desc="whether the verdict is pass")
    reasons = traits.List(traits.Str, desc="in plain words, most important first")
    out_json = File(exists=True, desc="the full record")


class DefaceQA(SimpleInterface):
    """Judge whether a head is really defaced and its brain whole.

    Example
    -------
    >>> node = Node(DefaceQA(original="T1w.nii.gz", defaced="T1w_defaced.nii.gz"), name="defaceqa")  # doctest: +SKIP
    """

    input_spec = DefaceQAInputSpec
    output_spec = DefaceQAOutputSpec

    def _run_interface(self, runtime):
        from defaceqa import assess

        given = {name: value for name, value in self.inputs.get_traitsfree().items() if name in self.input_spec().get()}
        assessment = assess(**given, evidence=False, one_core=True)
        record = Path(runtime.cwd) / "deface_qc.json"
        record.write_text(assessment.to_json())
        self._results["verdict"] = assessment.verdict.verdict
        self._results["passed"] = assessment.verdict.verdict == "pass"
        self._results["reasons"] = list(assessment.verdict.reasons)
        self._results["out_json"] = str(record)
        return runtime
