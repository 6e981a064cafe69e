import subprocess
import sys


def test_tensorflow_is_imported_only_when_it_is_needed():
    code = (
        "import sys, dca.model, dca.train, dca.features, dca.model.card\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
