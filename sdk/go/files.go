package plugin

// FileNotFound is the code of the error with which a missing file is opened; it is retriable.
const FileNotFound = "files.not-found"

// FileReader reads a file that the configuration names, through a binding of the capability "files"; no other can be
// reached. It needs the grant "files". Files are there inside the host only.
type FileReader struct{ host hostReader }

// OpenFile opens the file of a binding for reading.
func OpenFile(binding string) (*FileReader, error) {
	r, err := hostOpen(binding)
	if err != nil {
		return nil, err
	}
	return &FileReader{r}, nil
}

// ReadAt is up to most bytes from a position; none at the end of the file.
func (r *FileReader) ReadAt(position uint64, most int) ([]byte, error) {
	return r.host.read(position, most)
}

// Len is the file's length now.
func (r *FileReader) Len() (uint64, error) { return r.host.len() }

// Close gives the file back.
func (r *FileReader) Close() { r.host.drop() }

// FileAppender appends to a file that the configuration names.
type FileAppender struct{ host hostAppender }

// AppendFile opens the file of a binding for appending, and makes it when it is missing.
func AppendFile(binding string) (*FileAppender, error) {
	a, err := hostAppend(binding)
	if err != nil {
		return nil, err
	}
	return &FileAppender{a}, nil
}

// Append adds to the end.
func (a *FileAppender) Append(data []byte) error { return a.host.append(data) }

// Sync returns once what was appended is on disk.
func (a *FileAppender) Sync() error { return a.host.sync() }

// Close gives the file back.
func (a *FileAppender) Close() { a.host.drop() }
