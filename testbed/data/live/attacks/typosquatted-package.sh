#= added python_packages name=python-dateutils
place=/usr/lib/python3/dist-packages/python_dateutils-2.9.1.dist-info
mkdir -p "$place"
printf 'Metadata-Version: 2.1\nName: python-dateutils\nVersion: 2.9.1\nSummary: Date utilities\n' >"$place/METADATA"
