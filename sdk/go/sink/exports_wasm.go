package sink

import _ "millrace/plugin/internal/wit/sink_exports"
