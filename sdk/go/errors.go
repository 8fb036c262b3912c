package plugin

import (
	"errors"
	"fmt"
	"time"
)

// ErrorKind decides what the host does with a failed call.
type ErrorKind uint8

const (
	kindRetriable ErrorKind = iota
	kindFatal
	kindConfig
	kindRestart
)

// Error is the failure of a whole call. Any other error that a plugin returns is fatal.
type Error struct {
	Kind ErrorKind
	// Code is stable, dotted, lower case: "webhook.rejected". For metrics and alerts.
	Code string
	// Message is lower case without a full stop: what failed on what, and what to do.
	Message string
	// RetryAfter is the least delay before the retry; 0: the host's own.
	RetryAfter time.Duration
	// Field is the key at fault of a configuration error.
	Field string
	// Attributes are names and values for logs.
	Attributes [][2]string
}

func (e *Error) Error() string { return e.Message }

// Retriable: nothing of the call took effect, or it is idempotent; the host makes it again after a back-off.
func Retriable(code, format string, args ...any) *Error {
	return &Error{Kind: kindRetriable, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Fatal: the task goes to FAILED; an operator must act.
func Fatal(code, format string, args ...any) *Error {
	return &Error{Kind: kindFatal, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ConfigError: the setting is at fault; FAILED, and shown against it.
func ConfigError(field, format string, args ...any) *Error {
	return &Error{Kind: kindConfig, Code: "config", Field: field, Message: fmt.Sprintf(format, args...)}
}

// Restart: this instance is of no more use but a fresh one may be; the host makes one, then retries.
func Restart(code, format string, args ...any) *Error {
	return &Error{Kind: kindRestart, Code: code, Message: fmt.Sprintf(format, args...)}
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		if e.Message != err.Error() {
			wrapped := *e
			wrapped.Message = err.Error()
			return &wrapped
		}
		return e
	}
	return Fatal("plugin.error", "%v", err)
}

// RecordFailure is the failure of one record inside a call that otherwise succeeded: it goes to errors.tolerance and
// the dead letter queue.
type RecordFailure struct {
	// Row is that of the input batch.
	Row uint32
	// Retriable: worth another try before the dead letter queue.
	Retriable     bool
	Code, Message string
}

// Poison is a record that will never pass.
func Poison(row int, code, format string, args ...any) RecordFailure {
	return RecordFailure{uint32(row), false, code, fmt.Sprintf(format, args...)}
}
