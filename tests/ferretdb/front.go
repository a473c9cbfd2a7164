package main

import (
	"bufio"
	"net"
	"sync"
	"time"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"
)

// FerretDB changes an object in two steps, reading and writing, that others come in between: of two
// who claim one image both would win. So the commands for a database reach it one at a time.
var turns sync.Map // a *sync.Mutex for each name

// A command that FerretDB never ends, as it does with a hundred updates in one, holds up the others
// no longer than this, which is less than our store waits.
const patience = time.Second

// answer passes the commands of one client on, over a connection of its own.
func answer(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	fromClient, fromServer := bufio.NewReader(client), bufio.NewReader(server)
	for {
		header, body, err := wire.ReadMessage(fromClient)
		if err != nil {
			return
		}
		header, body, err = ask(server, fromServer, header, without(header, body))
		if err != nil || send(client, header, body) != nil {
			return
		}
	}
}

func ask(
	server net.Conn, replies *bufio.Reader, header *wire.MsgHeader, body wire.MsgBody,
) (*wire.MsgHeader, wire.MsgBody, error) {
	turn, _ := turns.LoadOrStore(database(body), &sync.Mutex{})
	turn.(*sync.Mutex).Lock()
	defer turn.(*sync.Mutex).Unlock()
	if err := send(server, header, body); err != nil {
		return nil, nil, err
	}
	if err := server.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, nil, err
	}
	return wire.ReadMessage(replies)
}

func database(body wire.MsgBody) (name string) {
	if message, ok := body.(*wire.OpMsg); ok {
		if command, err := message.RawSection0().Decode(); err == nil {
			name, _ = command.Get("$db").(string)
		}
	}
	return name
}

func send(to net.Conn, header *wire.MsgHeader, body wire.MsgBody) error {
	buffered := bufio.NewWriter(to)
	if err := wire.WriteMessage(buffered, header, body); err != nil {
		return err
	}
	return buffered.Flush()
}

// without takes out of a command what FerretDB refuses, and what makes no difference to most tests:
// collations, times of expiry, the limit of time of a distinct. No class of users could be made
// with them. What the tests see of it, they mark.
func without(header *wire.MsgHeader, body wire.MsgBody) wire.MsgBody {
	message, ok := body.(*wire.OpMsg)
	if !ok || len(message.Sections()) > 1 { // rows come beside a command of their own
		return body
	}
	command, err := message.RawSection0().DecodeDeep()
	if err != nil {
		return body
	}
	command.Remove("collation")
	if command.Command() == "distinct" {
		command.Remove("maxTimeMS")
	}
	if indexes, ok := command.Get("indexes").(*wirebson.Array); ok {
		for i := range indexes.Len() {
			if index, ok := indexes.Get(i).(*wirebson.Document); ok {
				index.Remove("collation")
				index.Remove("expireAfterSeconds")
			}
		}
	}
	shorter, err := wire.NewOpMsg(command)
	if err != nil {
		return body
	}
	bytes, err := shorter.MarshalBinary()
	if err != nil {
		return body
	}
	header.MessageLength = int32(wire.MsgHeaderLen + len(bytes))
	return shorter
}
