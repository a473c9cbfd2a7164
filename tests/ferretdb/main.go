// A MongoDB server over SQLite files. Usage: server PORT FOLDER/
//
// FerretDB's own program refuses to start when Go built it from a module, where the file with its
// version is missing; as a library it asks for none.
package main

import (
	"context"
	"log"
	"log/slog"
	"net"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	port, folder := os.Args[1], os.Args[2]
	behind := folder + "socket"
	database, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: behind},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "?_pragma=synchronous(off)",
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(database.Run(context.Background())) }()
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		server, err := net.Dial("unix", behind)
		if err != nil {
			log.Fatal(err)
		}
		go answer(client, server)
	}
}
