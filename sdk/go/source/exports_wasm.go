package source

import _ "millrace/plugin/internal/wit/source_exports"
