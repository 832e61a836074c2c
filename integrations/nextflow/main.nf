// Judge one pair. The pipeline branches on PASSED, which is 'true' or 'false':
//
//     DEFACEQA_PREDICT(pairs)    // [meta, original, defaced, brain mask or []]
//     DEFACEQA_PREDICT.out.verdict.branch { meta, defaced, passed ->
//         release: passed.text.trim() == 'true'
//         look:    true
//     }
//
// A pair that could not be judged (exit code 2) is an error of the process.

process DEFACEQA_PREDICT {
    tag "${meta.id}"
    label 'process_low'
    cpus 1
    memory 2.GB

    input:
    tuple val(meta), path(original, stageAs: 'original/*'), path(defaced, stageAs: 'defaced/*'), path(brain_mask, stageAs: 'mask/*')

    output:
    tuple val(meta), path(defaced), path("${meta.id}_pass.txt"), emit: verdict
    tuple val(meta), path("${meta.id}.deface_qc.json"), emit: record
    path 'versions.yml', emit: versions

    script:
    def mask = brain_mask ? "--brain-mask '${brain_mask}'" : ''
    def args = task.ext.args ?: ''
    """
    code=0
    defaceqa predict '${original}' '${defaced}' ${mask} ${args} --json '${meta.id}.deface_qc.json' || code=\$?
    case \$code in
        0) echo true > '${meta.id}_pass.txt' ;;
        1|3) echo false > '${meta.id}_pass.txt' ;;
        *) exit \$code ;;
    esac
    printf '"%s":\\n    defaceqa: %s\\n' '${task.process}' "\$(defaceqa --version | sed 's/.* //')" > versions.yml
    """
}
