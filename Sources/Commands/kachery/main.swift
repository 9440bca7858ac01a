import Files
import Glibc

// A reader that has seen enough (`kachery-cat … | head`) ends the program quietly.
signal(SIGPIPE, SIG_DFL)
for case let argument? in UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
where String(validatingCString: argument) == nil {
  // Read as text, it would name another file.
  Console.error("'\(String(cString: argument))' is not UTF-8; give the file another name, or a link to it.")
  FileSystem.endProcess(ExitCode.wrongUsage.rawValue)
}
FileSystem.endProcess(Program.run(CommandLine.arguments))
