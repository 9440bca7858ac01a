import Diagnostics
import Process

extension JournalEntry {
  /// The fields of a line of the log (systemd.journal-fields(7)), and those of what it is about: `KACHERY_PEER` and others.
  ///
  /// - Parameter message: the words as they are shown.
  init(_ entry: Log.Entry, message: String) {
    self.init()
    add("MESSAGE", message)
    add("PRIORITY", "\(entry.level.priority)")
    add("SYSLOG_IDENTIFIER", "kacheryd")
    if let event = entry.event {
      add("MESSAGE_ID", event.rawValue)
      add("KACHERY_EVENT", "\(event)")
    }
    for subject in entry.subjects { add(subject.field, subject.text) }
    guard let place = entry.place else { return }
    add("CODE_FILE", place.file)
    add("CODE_LINE", "\(place.line)")
  }
}

extension Log.Subject {
  fileprivate var field: String {
    switch self {
    case .peer: "KACHERY_PEER"
    case .channel: "KACHERY_CHANNEL"
    case .file: "KACHERY_FILE"
    case .port: "KACHERY_PORT"
    case .error: "KACHERY_ERROR"
    }
  }
}

extension Log.Level {
  /// The severity as syslog counts it.
  var priority: Int {
    switch self {
    case .debug: 7
    case .info: 6
    case .warning: 4
    case .error: 3
    }
  }
}
