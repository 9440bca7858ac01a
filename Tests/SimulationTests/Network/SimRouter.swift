import NodeCore
import Primitives

/// The router of a simulated node's network, which is asked to lead a port to the node.
final class SimRouter {
  /// What it answers.
  var answer: (PortMappingQuestion) -> PortMappingAnswer = { _ in .silent }
  private(set) var questions: [PortMappingQuestion] = []

  func ask(_ number: UInt64, _ question: PortMappingQuestion, for node: SimNode) {
    questions.append(question)
    let answer = answer(question)
    node.after(.milliseconds(50)) { node in
      node.input { $0.mappingAnswered(number, question.transport, answer, at: $1) }
    }
  }
}
