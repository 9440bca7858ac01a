import Files
import Primitives
import Process

/// The daemon as a service of the user's own systemd.
struct UserService {
  /// Whether this user has a systemd that runs services.
  static var isPossible: Bool {
    guard FileSystem.exists("/run/systemd/system"), let folder = Environment["XDG_RUNTIME_DIR"] else { return false }
    return FileSystem.exists("\(folder)/systemd/private")
  }

  let directory: String

  private static var folder: String? {
    (Environment["XDG_CONFIG_HOME"] ?? Environment.home.map { "\($0)/.config" }).map { "\($0)/systemd/user" }
  }

  /// Variables that the service takes over from this environment.
  private static let variables = ["KACHERY_P2P_CONFIG_DIR", "KACHERY_P2P_API_PORT", "KACHERY_DAEMON_PORT"]

  /// The unit.
  ///
  /// - Parameters:
  ///   - program: the path of `kacheryd`.
  ///   - environment: variables for the daemon besides the storage directory.
  static func unit(program: String, directory: String, environment: [(name: String, value: String)]) -> String {
    let variables = ([(name: "KACHERY_STORAGE_DIR", value: directory)] + environment).map { variable in
      "Environment=\(quoted("\(variable.name)=\(variable.value)"))"
    }
    // A dollar sign starts a variable there.
    let command = quoted(program).parts(separatedBy: "$").joined(separator: "$$")
    return """
      # Written by 'kachery setup'.
      [Unit]
      Description=kachery node
      Documentation=man:kachery(1)

      [Service]
      Type=notify
      WatchdogSec=60
      TimeoutStartSec=300
      \(variables.joined(separator: "\n"))
      ExecStart=\(command)
      ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
      Restart=on-failure
      RestartSec=5
      TimeoutStopSec=15

      [Install]
      WantedBy=default.target

      """
  }

  /// A word of a unit (systemd.syntax(7)); `%` starts a specifier.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { result += "\\" }
      if scalar == "%" { result += "%" }
      result.unicodeScalars.append(scalar)
    }
    return result + "\""
  }

  /// Writes the unit, and starts the service now and whenever the user's systemd starts.
  ///
  /// - Parameter mayReplace: asked before another unit of this name is replaced.
  func start(mayReplace: (String) -> Bool) throws(KacheryError) {
    guard let folder = Self.folder else { throw KacheryError(.badConfiguration, "There is no home folder.") }
    let program = "\(CurrentProcess.program.cut(atLast: "/").head)/kacheryd"
    let environment = Self.variables.compactMap { name in Environment[name].map { (name: name, value: $0) } }
    let unit = Self.unit(program: program, directory: directory, environment: environment)
    let path = "\(folder)/kachery.service"
    let old = try FileSystem.statusIfPresent(path) == nil ? nil : try FileSystem.read(path, limit: 1 << 20)
    if old != Array(unit.utf8) {
      guard old == nil || mayReplace("\(path) is another service; replace it?") else {
        throw KacheryError(.forbidden, "\(path) was left as it is, so the service was not started.")
      }
      try FileSystem.createFolder(folder, permissions: 0o755)
      try FileSystem.replace(path, with: Array(unit.utf8), permissions: 0o644)
      Console.note("Wrote the service \(path).")
    }
    guard ProgramRun.exitCode(of: "systemctl", ["--user", "daemon-reload"]) == 0,
      ProgramRun.exitCode(of: "systemctl", ["--user", "enable", "--now", "kachery"]) == 0
    else {
      throw KacheryError(
        .failedToStart,
        "The service was not started; see 'systemctl --user status kachery' and 'journalctl --user -u kachery'.")
    }
    Console.note(
      "The service runs now, and starts when you log in. To start it with the machine: loginctl enable-linger")
  }
}
