package plugin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var keys = []Key{
	{Name: "count", Type: Int, Default: 3, Least: 1, Most: 9},
	{Name: "every.ms", Type: Long, Default: 1500},
	{Name: "names", Type: List, Recommended: []string{"a", "b"}, NonEmpty: true},
	{Name: "must", Required: true, Default: "never"},
}

func TestSettingsAreReadOrRefusedWithTheirName(t *testing.T) {
	given := map[string]string{"names": " a, ,b ", "flag": "TRUE", "rate": "0.5", "blank": " ", "bad": "x", "mode": "Fast"}
	c := NewConfig(given, keys...)
	if n, err := c.Int("count"); n != 3 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if d, err := c.Duration("every.ms"); d != 1500*time.Millisecond || err != nil {
		t.Errorf("%v %v", d, err)
	}
	if names := c.List("names"); strings.Join(names, "|") != "a|b" {
		t.Errorf("%q", names)
	}
	flag, errFlag := c.Bool("flag")
	rate, errRate := c.Double("rate")
	mode, errMode := c.OneOf("mode", "slow", "fast")
	if !flag || rate != 0.5 || mode != "fast" || errors.Join(errFlag, errRate, errMode) != nil {
		t.Errorf("%v %v %v %v %v %v", flag, rate, mode, errFlag, errRate, errMode)
	}
	if !c.IsGiven("names") || c.IsGiven("count") {
		t.Error("what was given is not told from a default")
	}
	for key, read := range map[string]func(string) error{
		"must":  func(k string) error { _, err := c.Text(k); return err },
		"blank": func(k string) error { _, err := c.Text(k); return err },
		"bad":   func(k string) error { _, err := c.Int(k); return err },
		"mode":  func(k string) error { _, err := c.Bool(k); return err },
	} {
		var e *Error
		if err := read(key); !errors.As(err, &e) || e.Field != key || !strings.Contains(e.Message, "give it") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestAKeySaysWhatTheHostChecks(t *testing.T) {
	if v, has, attributes := keys[0].wire(); v != "3" || !has || fmt.Sprint(attributes) != "[[least 1] [most 9]]" {
		t.Errorf("%q %v %v", v, has, attributes)
	}
	if _, has, attributes := keys[2].wire(); has || fmt.Sprint(attributes) != "[[non-empty true] [recommended a] [recommended b]]" {
		t.Errorf("%v %v", has, attributes)
	}
	if _, has, _ := keys[3].wire(); has {
		t.Error("a required key has a default")
	}
}

func TestAnErrorKeepsItsKindBelowWordsOfOthers(t *testing.T) {
	e := asError(fmt.Errorf("while starting: %w", Retriable("a.busy", "it is busy")))
	if e.Kind != kindRetriable || e.Code != "a.busy" || e.Message != "while starting: it is busy" {
		t.Errorf("%+v", e)
	}
	if e := asError(errors.New("no")); e.Kind != kindFatal || e.Message != "no" {
		t.Errorf("%+v", e)
	}
}

func TestColumnsKnowTheirNulls(t *testing.T) {
	var c Column
	c.SetNull(9)
	if c.IsNull(8) || !c.IsNull(9) || c.IsNull(100) {
		t.Errorf("%v", c.Nulls)
	}
	if p := PackedOf("ab", "", "c"); string(p.At(0)) != "ab" || len(p.At(1)) != 0 || string(p.At(2)) != "c" {
		t.Errorf("%v", p)
	}
}

func TestTheStateIsGoneThroughInOrderAPageAtATime(t *testing.T) {
	for i := range 2*statePage + 5 {
		if err := StatePut(fmt.Sprintf("p%05d", i), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := StatePut("q", nil); err != nil {
		t.Fatal(err)
	}
	next := 0
	for e := range StateEntries("p") {
		if e.Key != fmt.Sprintf("p%05d", next) || e.Value[0] != byte(next) {
			t.Fatalf("%s after %d", e.Key, next)
		}
		next++
	}
	if next != 2*statePage+5 || !StateDelete("q") || StateDelete("q") {
		t.Errorf("%d entries", next)
	}
}

func TestTheCacheAddsOnce(t *testing.T) {
	first, _ := CacheAdd("k", []byte("1"), time.Minute)
	second, _ := CacheAdd("k", []byte("2"), 0)
	kept, there := CacheGet("k")
	if !first || second || !there || string(kept) != "1" || !CacheDelete("k") {
		t.Errorf("%v %v %q", first, second, kept)
	}
	if n := len(RandomBytes(100_000)); n != 100_000 {
		t.Errorf("%d bytes", n)
	}
}

func TestParametersAndNamesOfPostgres(t *testing.T) {
	text := "t"
	at := time.Date(2024, 5, 6, 7, 8, 9, 1000, time.UTC)
	var got []string
	for _, p := range postgresParams([]any{nil, "a", &text, (*string)(nil), []byte{1, 255}, 7, true, 0.5, at}) {
		got = append(got, fmt.Sprintf("%v%s", p.null, p.text))
	}
	want := "true,falsea,falset,true,false\\x01ff,false7,falsetrue,false0.5,false2024-05-06T07:08:09.000001Z"
	if strings.Join(got, ",") != want {
		t.Errorf("%s", strings.Join(got, ","))
	}
	if QuoteIdentifier(`we"ird`) != `"we""ird"` || QuoteLiteral("it's") != "'it''s'" || QuoteLiteral(`a\'b`) != ` E'a\\''b'` {
		t.Error("quoting")
	}
	if SQLState(Fatal("postgres.42P01", "")) != "42P01" || SQLState(Retriable("postgres.connection", "")) != "" {
		t.Error("the state of an error")
	}
}
