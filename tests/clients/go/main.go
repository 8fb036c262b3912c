// The Go client that Redpanda Console is built on, driven through a connector's life. Prints one line of JSON for each
// step: {"step", "answer", "error"}. A step whose error is a surprise is for the reader of the lines to find.
//
//	connectclient URL CONNECTOR CONFIG CHANGED WRONG
//
// CONFIG, CHANGED and WRONG are objects of settings. What the client has no method for (offsets) goes through the HTTP
// client that it is made of.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	connect "github.com/cloudhut/connect-client"
)

type line struct {
	Step   string      `json:"step"`
	Answer interface{} `json:"answer"`
	Error  string      `json:"error"`
}

func step(name string, answer interface{}, err error) {
	l := line{Step: name, Answer: answer}
	if err != nil {
		l.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		panic(err)
	}
}

func settings(argument string) map[string]interface{} {
	var out map[string]interface{}
	if err := json.Unmarshal([]byte(argument), &out); err != nil {
		fmt.Fprintln(os.Stderr, "not an object of settings:", argument, err)
		os.Exit(2)
	}
	return out
}

type driver struct {
	client *connect.Client
	ctx    context.Context
	url    string
	name   string
}

// until asks for the status until connector and tasks are in these states.
func (d *driver) until(connector string, tasks ...string) error {
	var last connect.ConnectorStateInfo
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		status, err := d.client.GetConnectorStatus(d.ctx, d.name)
		if err != nil {
			continue
		}
		last = status
		reached := status.Connector.State == connector && len(status.Tasks) == len(tasks)
		for i := range tasks {
			reached = reached && status.Tasks[i].State == tasks[i]
		}
		if reached {
			return nil
		}
	}
	return fmt.Errorf("not %s %v within 30 s but %+v", connector, tasks, last)
}

// offsets asks /connectors/NAME/offsets, which the client does not know.
func (d *driver) offsets(method, body string) (interface{}, error) {
	request, err := http.NewRequestWithContext(d.ctx, method, d.url+"/connectors/"+d.name+"/offsets", bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := d.client.GetClient().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, text)
	}
	var answer interface{}
	err = json.Unmarshal(text, &answer)
	return answer, err
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: connectclient URL CONNECTOR CONFIG CHANGED WRONG")
		os.Exit(2)
	}
	config, changed, wrong := settings(os.Args[3]), settings(os.Args[4]), settings(os.Args[5])
	client := connect.NewClient(connect.WithHost(os.Args[1]), connect.WithTimeout(60*time.Second))
	d := &driver{client: client, ctx: context.Background(), url: os.Args[1], name: os.Args[2]}
	ctx, name := d.ctx, d.name
	class, _ := config["connector.class"].(string)
	validate := func(label string, config map[string]interface{}) {
		answer, err := client.PutValidateConnectorConfig(ctx, class, connect.ValidateConnectorConfigOptions{Config: config})
		step(label, answer, err)
	}

	root, err := client.GetRoot(ctx)
	step("root", root, err)
	plugins, err := client.GetConnectorPlugins(ctx)
	step("plugins", plugins, err)
	validate("validate", config)
	validate("validate wrong", wrong)

	request := connect.CreateConnectorRequest{Name: name, Config: config}
	created, err := client.CreateConnector(ctx, request)
	step("create", created, err)
	_, err = client.CreateConnector(ctx, request)
	step("create again", nil, err)
	step("runs", nil, d.until("RUNNING", "RUNNING"))
	names, err := client.ListConnectors(ctx)
	step("list", names, err)
	expanded, err := client.ListConnectorsExpanded(ctx)
	step("list expanded", expanded, err)
	got, err := client.GetConnector(ctx, name)
	step("get", got, err)

	put, err := client.PutConnectorConfig(ctx, name, connect.PutConnectorConfigOptions{Config: changed})
	step("update", put, err)
	now, err := client.GetConnectorConfig(ctx, name)
	step("config", now, err)
	step("runs after update", nil, d.until("RUNNING", "RUNNING"))

	step("pause", nil, client.PauseConnector(ctx, name))
	step("paused", nil, d.until("PAUSED", "PAUSED"))
	step("resume", nil, client.ResumeConnector(ctx, name))
	step("resumed", nil, d.until("RUNNING", "RUNNING"))
	step("restart", nil, client.RestartConnector(ctx, name, connect.RestartConnectorOptions{}))
	step("restart with tasks", nil, client.RestartConnector(ctx, name, connect.RestartConnectorOptions{IncludeTasks: true}))
	step("restart task", nil, client.RestartConnectorTask(ctx, name, 0))
	step("runs after restarts", nil, d.until("RUNNING", "RUNNING"))
	topics, err := client.GetConnectorTopics(ctx, name)
	step("topics", topics, err)
	step("reset topics", nil, client.ResetConnectorTopics(ctx, name))

	offsets, err := d.offsets(http.MethodGet, "")
	step("offsets", offsets, err)
	offsets, err = d.offsets(http.MethodDelete, "")
	step("reset offsets of what runs", offsets, err)
	step("stop", nil, client.StopConnector(ctx, name))
	step("stopped", nil, d.until("STOPPED"))
	offsets, err = d.offsets(http.MethodDelete, "")
	step("reset offsets", offsets, err)
	offsets, err = d.offsets(http.MethodGet, "")
	step("offsets after reset", offsets, err)

	step("delete", nil, client.DeleteConnector(ctx, name))
	step("delete again", nil, client.DeleteConnector(ctx, name))
	names, err = client.ListConnectors(ctx)
	step("list after delete", names, err)
}
