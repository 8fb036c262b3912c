package plain

import _ "millrace/plugin/internal/wit/plain_exports"
