import Primitives

/// Columns of text under their heads, two spaces apart.
struct TextTable {
  let heads: [String]
  let rows: [[String]]

  var lines: [String] {
    let all = [heads] + rows.map { $0.map(\.printable) }
    let widths = heads.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { cells in
      let last = cells.lastIndex { !$0.isEmpty } ?? 0
      return cells.prefix(last + 1).enumerated().map { column, cell in
        column == last ? cell : cell + String(repeating: " ", count: max(0, widths[column] - cell.count))
      }.joined(separator: "  ")
    }
  }
}
