package transform

import _ "millrace/plugin/internal/wit/transform_exports"
