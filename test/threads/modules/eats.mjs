const eaten = []
for (;;) eaten.push({ at: eaten.length, text: `number ${eaten.length}` })
