# Judge a data set and gate it. In your Snakefile:
#
#     config["defaceqa"] = {"originals": "raw", "defaced": "defaced", "out": "qa"}
#     include: "defaceqa.smk"
#
# and let whatever publishes the data need qa/group_T1w_pass.txt: the gate fails when the data may not go through, and leaves
# qa/group_T1w_look.tsv, which says what to look at.

DEFACEQA = {"fail_on": "review", "max_fail": 0, "options": "", **config["defaceqa"]}


rule defaceqa_batch:
    input:
        originals=DEFACEQA["originals"],
        defaced=DEFACEQA["defaced"],
    output:
        table=DEFACEQA["out"] + "/group_T1w.tsv",
    params:
        out=DEFACEQA["out"],
        options=DEFACEQA["options"],
    threads: workflow.cores
    # Exit code 2 says that some scans could not be judged. They are rows of the table, and the gate stops at them.
    shell:
        "defaceqa batch {input.originals:q} --defaced-dir {input.defaced:q} --out {params.out:q} --workers {threads}"
        " {params.options} || test $? -eq 2 -a -f {output.table:q}"


rule defaceqa_gate:
    input:
        table=rules.defaceqa_batch.output.table,
    output:
        passed=DEFACEQA["out"] + "/group_T1w_pass.txt",
    params:
        fail_on=DEFACEQA["fail_on"],
        max_fail=DEFACEQA["max_fail"],
    shell:
        "defaceqa gate {input.table:q} --fail-on {params.fail_on} --max-fail {params.max_fail}"
