"""The embedded OpenStack: Keystone, Nova, Cinder, Glance and Neutron as openstacksdk sees them, over a
`Hypervisor`.

Shapes, states, messages and limits follow the Zed release (Nova 2.93, Cinder 3.70) with Ceph behind Cinder.

- `front` is the door; `cloud` the state, `records` its shapes, `jobs` what goes on after a 202, `web`
  requests and replies.
- One package a service, one module a resource; `build` and `tasks` modules hold the asynchronous halves.

One lock guards all state. A handler runs wholly under it and never asks the hypervisor; jobs and handlers
of a route marked `unlocked` ask the hypervisor without it and take it for each look at, or change of, the
state.
"""
