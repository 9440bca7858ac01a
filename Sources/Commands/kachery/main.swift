import Glibc

// A reader that has seen enough (`kachery-cat … | head`) ends the program quietly.
signal(SIGPIPE, SIG_DFL)
exit(Program.run(CommandLine.arguments))
