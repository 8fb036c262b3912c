package plugin

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ConfigType is Connect's type of a configuration key. The zero value is a text.
type ConfigType uint8

const (
	Text ConfigType = iota
	Boolean
	Int
	Short
	Long
	Double
	// List is comma separated.
	List
	Class
	// Password reads "[hidden]"; only the host, by a binding, uses the value.
	Password
)

// Importance is Connect's; the zero value is medium.
type Importance uint8

const (
	Medium Importance = iota
	High
	Low
)

// Key is one configuration key, declared once: validation, the REST answers and the reference come from it.
type Key struct {
	Name string
	Type ConfigType
	// Required keys must be given and have no default.
	Required bool
	// Default is what the key has when it is not given, printed as by fmt.Sprint; nil: it has no value then.
	Default    any
	Importance Importance
	Doc        string
	// Group, and within one the order of declaration, is how forms show it.
	Group, DisplayName string
	// Dependents are the keys whose meaning depends on this one.
	Dependents []string
	// Allowed are the only values it may have; Recommended forbid no others.
	Allowed, Recommended []string
	// Least and Most bound a number; nil: no bound.
	Least, Most any
	// NonEmpty refuses an empty text or list.
	NonEmpty bool
	// Begins: names that begin so are of this key too.
	Begins string
}

// wire is the key's default and its open set of attributes.
func (k *Key) wire() (value string, has bool, attributes [][2]string) {
	if !k.Required && k.Default != nil {
		value, has = fmt.Sprint(k.Default), true
	}
	add := func(name string, v any) { attributes = append(attributes, [2]string{name, fmt.Sprint(v)}) }
	if k.Least != nil {
		add("least", k.Least)
	}
	if k.Most != nil {
		add("most", k.Most)
	}
	if k.NonEmpty {
		add("non-empty", true)
	}
	if k.Begins != "" {
		add("begins", k.Begins)
	}
	for _, r := range k.Recommended {
		add("recommended", r)
	}
	return value, has, attributes
}

// Issue is a wrong setting: which, what is wrong with which value, and the remedy in words.
type Issue struct {
	Name, Message string
	Recommended   []string
}

// Config is a configuration: what was written, over the defaults of the plugin's keys.
type Config struct {
	given, defaults map[string]string
}

// NewConfig is a configuration of a test, with the defaults of keys.
func NewConfig(given map[string]string, keys ...Key) Config {
	c := Config{given, make(map[string]string)}
	for i := range keys {
		if v, has, _ := keys[i].wire(); has {
			c.defaults[keys[i].Name] = v
		}
	}
	return c
}

// Get is the value of a key: what was given, else its default.
func (c Config) Get(key string) (string, bool) {
	if v, ok := c.given[key]; ok {
		return v, true
	}
	v, ok := c.defaults[key]
	return v, ok
}

// IsGiven says whether the key was given, its default aside.
func (c Config) IsGiven(key string) bool {
	_, ok := c.given[key]
	return ok
}

// Given is what was given, by name.
func (c Config) Given() map[string]string { return c.given }

// Text is the value of a key that must have one that is not blank.
func (c Config) Text(key string) (string, error) {
	v, ok := c.Get(key)
	if !ok {
		return "", ConfigError(key, "%q is missing; give it a value", key)
	}
	if strings.TrimSpace(v) == "" {
		return "", ConfigError(key, "%q is empty; give it a value", key)
	}
	return v, nil
}

func parse[T any](c Config, key, what string, by func(string) (T, error)) (T, error) {
	var none T
	v, err := c.Text(key)
	if err != nil {
		return none, err
	}
	n, err := by(strings.TrimSpace(v))
	if err != nil {
		return none, ConfigError(key, "%q is %q, which is not %s; give it %s", key, strings.TrimSpace(v), what, what)
	}
	return n, nil
}

// Int is a whole number.
func (c Config) Int(key string) (int64, error) {
	return parse(c, key, "a whole number", func(v string) (int64, error) { return strconv.ParseInt(v, 10, 64) })
}

// Double is a number.
func (c Config) Double(key string) (float64, error) {
	return parse(c, key, "a number", func(v string) (float64, error) { return strconv.ParseFloat(v, 64) })
}

// Bool is true or false, in any case.
func (c Config) Bool(key string) (bool, error) {
	v, err := c.Text(key)
	switch {
	case err != nil:
		return false, err
	case strings.EqualFold(strings.TrimSpace(v), "true"):
		return true, nil
	case strings.EqualFold(strings.TrimSpace(v), "false"):
		return false, nil
	}
	return false, ConfigError(key, "%q is %q; give it true or false", key, strings.TrimSpace(v))
}

// Duration is a number of milliseconds, as Connect's *.ms keys are.
func (c Config) Duration(key string) (time.Duration, error) {
	ms, err := parse(c, key, "a number of milliseconds, 0 or more", func(v string) (uint64, error) {
		return strconv.ParseUint(v, 10, 43)
	})
	return time.Duration(ms) * time.Millisecond, err
}

// List is the entries of a comma separated list, trimmed, without empty ones; none when the key has no value.
func (c Config) List(key string) []string {
	v, _ := c.Get(key)
	var all []string
	for _, entry := range strings.Split(v, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	return all
}

// OneOf is the value, which must be one of allowed, whatever its case.
func (c Config) OneOf(key string, allowed ...string) (string, error) {
	v, err := c.Text(key)
	if err != nil {
		return "", err
	}
	for _, a := range allowed {
		if strings.EqualFold(a, strings.TrimSpace(v)) {
			return a, nil
		}
	}
	return "", ConfigError(key, "%q is %q; give it one of %s", key, strings.TrimSpace(v), strings.Join(allowed, ", "))
}
