import tinymeta as tm


def adapt(loss, theta, support, alpha):
    gs = tm.grad(lambda theta: loss(theta, support).sum())(theta)
    return [p - alpha * g for p, g in zip(theta, gs)]


def adapted_loss(loss, theta, tasks, step):
    count = len(tasks.support.x)
    copies = [tm.broadcast_to(p, (count, *p.shape)) for p in theta]
    return loss(step(copies), tasks.query).mean()


def meta_gradient(loss, theta, tasks, alpha):
    def exact(copies):
        return adapt(loss, copies, tasks.support, alpha)

    return tm.grad(lambda theta: adapted_loss(loss, theta, tasks, exact))(theta)


def hessian_term(loss, theta, tasks, alpha):
    def first_order(copies):
        gs = tm.grad(lambda theta: loss(theta, tasks.support).sum())(copies)
        return [p - alpha * tm.stop_gradient(g) for p, g in zip(copies, gs)]

    first = tm.grad(lambda theta: adapted_loss(loss, theta, tasks, first_order))(theta)
    return [f - e for f, e in zip(first, meta_gradient(loss, theta, tasks, alpha))]
