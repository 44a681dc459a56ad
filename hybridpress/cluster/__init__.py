"""Many machines: one run over the nodes of a Ray cluster.

A node is to the *head* (the process of the command) what a worker is to a coordinator: it has its share of the plan, is
told of changes as legs, and tells counts and seconds. So the head is an ordinary coordinator whose crew are nodes, and
a node deals what it has to its own workers, an ordinary spawner's. Ray starts an agent a node, carries messages, and
says when one died; nothing of it is on the way of an iteration.
"""
