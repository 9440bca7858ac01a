import APIModel
import ContentStore
import Files
import HTTP
import Primitives
import Process
import Settings
import YAML

/// What can be checked while no daemon runs: the disk, the proxy, and whether bootstrap nodes accept connections.
struct CheckupWithoutDaemon {
  /// How long a connection may take.
  private static let time: Duration = .seconds(5)
  /// Most bootstrap nodes that are dialed; all are dialed concurrently.
  private static let maximumBootstraps = 8

  /// Bootstrap nodes named by the caller.
  let bootstraps: [Endpoint]

  private var directory: String {
    Environment["KACHERY_STORAGE_DIR"] ?? "\(Environment.home ?? "")/kachery-storage"
  }

  var result: Checkup {
    get throws(KacheryError) {
      var checkup = Checkup()
      checkup.disk = disk
      let rules = rules
      checkup.proxy = proxy(rules)
      let endpoints = known.prefix(Self.maximumBootstraps)
      let places = endpoints.flatMap { endpoint in
        [endpoint]
          + [Endpoint(host: endpoint.host, port: Endpoint.httpsPort)].compactMap { $0 }
          .filter { $0.port != endpoint.port }
      }
      let attempts = ParallelWork.map(Array(places), width: max(1, places.count)) { Self.attempt(at: $0, rules.rules) }
      checkup.bootstraps = endpoints.map { endpoint in
        var bootstrap = Checkup.Bootstrap(address: endpoint.description)
        bootstrap.attempts = zip(places, attempts).filter { $0.0.host == endpoint.host }.map(\.1)
        return bootstrap
      }
      return checkup
    }
  }

  private static func attempt(at endpoint: Endpoint, _ rules: ProxyRules) -> Checkup.Attempt {
    var attempt = Checkup.Attempt(.tcp, endpoint.description)
    do throws(KacheryError) {
      let proxy = try rules.proxy(for: endpoint.host)
      attempt.isThroughProxy = proxy != nil
      attempt.roundTrip = try ConnectionCheck.connect(to: endpoint, by: proxy, timeout: time)
    } catch {
      attempt.problem = error.message
    }
    return attempt
  }

  /// The given bootstrap nodes, and those of the channels' documents that a daemon has kept.
  private var known: [Endpoint] {
    let folder = "\(directory)/kachery-node/channels"
    let copies = ((try? FileSystem.names(in: folder)) ?? []).filter { $0.ends(with: ".yaml") }.sorted()
    let named = copies.flatMap { name -> [Endpoint] in
      guard let bytes = try? FileSystem.read("\(folder)/\(name)", limit: 1 << 20),
        let document = try? YAMLParser.parse(bytes)
      else { return [] }
      return (document["bootstrapAddresses"]?.sequence ?? []).compactMap { entry in
        guard let host = entry["hostName"]?.text, let port = entry["port"]?.text.flatMap({ UInt16($0) }) else {
          return nil
        }
        return Endpoint(host: host, port: port)
      }
    }
    return (bootstraps + named).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  // MARK: Disk and proxy

  private var disk: Checkup.Disk {
    guard FileSystem.exists(directory) else {
      let parent = FileSystem.parent(of: directory)
      var disk = Checkup.Disk(directory: directory, available: try? FileSystem.availableBytes(at: parent))
      // The daemon creates it when it starts.
      do throws(KacheryError) { try FileSystem.requireWritable(folder: parent) } catch { disk.problem = error.message }
      return disk
    }
    var disk = Checkup.Disk(directory: directory, available: try? FileSystem.availableBytes(at: directory))
    let inner = "\(directory)/kachery-node"
    do throws(KacheryError) {
      try FileSystem.tryWriting(in: FileSystem.exists(inner) ? inner : directory)
    } catch {
      disk.problem = error.message
    }
    return disk
  }

  /// The rules that a daemon would follow if it were started in this environment, without `--proxy`.
  private var rules: (rules: ProxyRules, source: String) {
    var layers = SettingLayers.read(Environment.all).layers
    layers.file = (try? SettingsFile(in: directory)) ?? SettingsFile()
    let (proxy, exceptions) = (layers.resolved(.proxy), layers.text(.noProxy) ?? "")
    let source: ProxyRules.Source = layers.isSystemWide(.proxy) ? .environment : .configuration
    let name =
      switch proxy.source {
      case .option(let name), .variable(let name): name
      case .file: SettingsFile.name
      case .standard: "https_proxy"
      }
    return (ProxyRules(proxy: proxy.texts?.last ?? "", except: exceptions, from: source), name)
  }

  private func proxy(_ named: (rules: ProxyRules, source: String)) -> Checkup.Proxy? {
    let (rules, source) = named
    guard rules.proxy != .none else { return nil }
    return Checkup.Proxy(
      address: rules.addressText, source: source, exceptions: rules.exceptionText, problem: rules.problem)
  }
}
